// An answer: asked for, taken as it comes, and what it took.

const kBroken = `The connection to the server at ${location.origin} broke before the answer was complete. What had come is kept; "Try again" asks anew.`;

// Events of a stream of server-sent events, parsed; ends at [DONE].
async function* events(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await reader.read().catch(failure => {
      if (failure.name === 'AbortError') throw failure;
      lookForServer();
      throw new Error(kBroken);
    });
    rest += done ? '\n' : value;
    const lines = rest.split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith('data:')) continue;
      const data = line.slice(5).trim();
      if (data === '[DONE]') return;
      yield JSON.parse(data);
    }
    if (done) {
      lookForServer();
      throw new Error(kBroken);
    }
  }
}

const newAnswer = () => ({role: 'assistant', content: '', reasoning: ''});

function titleOf(conversation) {
  const first = conversation.messages[0];
  return (first?.content.trim() || first?.documents?.[0]?.name || '').replace(/\s+/g, ' ').slice(0, 60);
}

// What the next answer is asked for with.
function requestBody(conversation) {
  const body = {messages: requestMessages(conversation), stream: true, stream_options: {include_usage: true}, timings_per_token: true};
  if (modelName) body.model = modelName;
  const budget = budgets[settings.budget]?.tokens;
  if (budget !== undefined && budget !== null) body.thinking_token_budget = budget;
  for (const name of ['temperature', 'top_p', 'max_tokens', 'seed']) {
    if (settings[name] !== '' && Number.isFinite(Number(settings[name]))) body[name] = Number(settings[name]);
  }
  if (settings.tools.trim()) body.tools = JSON.parse(settings.tools);
  return body;
}

// An event of the stream, onto the message. Times and rates are the server's: events reach the page in bunches.
function takeEvent(event, message) {
  if (event.error) throw new Error(event.error.message);
  if (event.usage) message.usage = event.usage;
  if (event.timings) {
    message.written = event.timings.predicted_n;
    message.rate = event.timings.predicted_per_second ?? undefined;
  }
  const choice = event.choices?.[0];
  const delta = choice?.delta;
  if (delta) {
    const thought = delta.reasoning_content ?? delta.reasoning ?? '';
    if (thought) {
      message.reasoning += thought;
      message.thinkingTokens = event.timings?.predicted_n ?? (message.thinkingTokens ?? 0) + 1;
      message.thinkingSeconds = (event.timings?.predicted_ms ?? 0) / 1000;
    }
    message.content += delta.content ?? '';
    for (const part of delta.tool_calls ?? []) {
      message.tool_calls ??= [];
      const entry = message.tool_calls[part.index] ??= {id: '', type: 'function', function: {name: '', arguments: ''}};
      if (part.id) entry.id = part.id;
      entry.function.name += part.function?.name ?? '';
      entry.function.arguments += part.function?.arguments ?? '';
    }
  }
  if (choice?.finish_reason) message.ended = choice.finish_details?.type ?? choice.finish_reason;
  if (choice?.finish_details?.thinking_cut) message.thinkingCut = true;
}

// Asks for the answer to the conversation. message: where it goes, the conversation's last; without it a new one.
async function generate(message) {
  if (running) return;
  const conversation = current;
  if (!message) {
    message = newAnswer();
    conversation.messages.push(message);
  }
  const body = requestBody(conversation);
  if (body.max_tokens) message.limit = body.max_tokens;
  conversation.title ||= titleOf(conversation);
  running = {conversation, message, controller: new AbortController(), id: null};
  const mine = running;
  save(conversation);
  showList();
  showLog();
  $('send').hidden = true;
  $('stop').hidden = false;
  say('');
  $('status').textContent = 'The model is answering';

  let frame = 0;
  const show = () => {
    frame = 0;
    if (current !== conversation) return;
    const follow = atEnd();
    $('log').lastElementChild?.update?.();
    if (follow) toEnd();
    if (message.rate && running === mine) $('speed').textContent = `${message.rate < 10 ? message.rate.toFixed(1) : number(message.rate)} tokens/s`;
  };
  try {
    const reply = await call('/v1/chat/completions', {method: 'POST', body: JSON.stringify(body), signal: mine.controller.signal});
    for await (const event of events(reply)) {
      mine.id ??= event.id;
      takeEvent(event, message);
      frame ||= requestAnimationFrame(show);
    }
    const exact = message.usage?.completion_tokens_details?.reasoning_tokens;
    if (exact !== undefined) message.thinkingTokens = exact;
  } catch (failure) {
    if (failure.name === 'AbortError') message.ended = 'you';
    else if (!leaving) message.error = failure.message || String(failure);
  }
  cancelAnimationFrame(frame);
  running = null;
  // Unless it was deleted while it was written.
  if (conversation.messages.includes(message) && conversations.includes(conversation)) save(conversation);
  $('send').hidden = false;
  $('stop').hidden = true;
  $('speed').textContent = '';
  if (current === conversation) {
    const open = [...$('log').querySelectorAll('article')].map(node => node.querySelector('details.thinking')?.open);
    const follow = atEnd(), top = $('log').scrollTop;
    showLog();
    [...$('log').querySelectorAll('article')].forEach((node, i) => { if (open[i]) node.querySelector('details.thinking').open = true; });
    if (!follow) $('log').scrollTop = top;
    showGauge();
  }
  showList();
  $('status').textContent = message.error ? 'The answer failed: ' + message.error : 'The answer is complete';
}

// What has come of an answer stays when the page is closed. That its stream then breaks is no fault of the server.
let leaving = false;
addEventListener('pagehide', () => {
  leaving = true;
  if (running) save(running.conversation);
});
addEventListener('pageshow', () => { leaving = false; });

function stop() { running?.controller.abort(); }
