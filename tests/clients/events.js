// Server-sent events as agents read them, without a client library.
import assert from 'node:assert/strict';

// Posts and returns {status, headers, json | events}. An event's type, if it has a name, must be its name.
export async function post(url, body, headers = {}) {
  const response = await fetch(
      url, {method: 'POST', headers: {'content-type': 'application/json', ...headers}, body: JSON.stringify(body)});
  const text = await response.text();
  const answer = {status: response.status, headers: response.headers};
  if (!(response.headers.get('content-type') ?? '').startsWith('text/event-stream')) {
    answer.json = JSON.parse(text);
    return answer;
  }
  answer.events = [];
  for (const block of text.split('\n\n')) {
    const lines = block.split('\n');
    const data = lines.find(line => line.startsWith('data: '))?.slice(6);
    if (data === undefined || data === '[DONE]') continue;
    const event = JSON.parse(data);
    const name = lines.find(line => line.startsWith('event: '))?.slice(7);
    if (name !== undefined) assert.equal(event.type, name);
    answer.events.push(event);
  }
  return answer;
}

// The JSON of an answer that must be there.
export async function ask(url, body, headers) {
  const answer = await post(url, body, headers);
  assert.equal(answer.status, 200, JSON.stringify(answer.json));
  return answer.json ?? answer.events;
}
