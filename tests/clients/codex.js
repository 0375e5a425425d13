// A session as Codex holds it: streams of the Responses API, nothing stored, tools and their outputs.
import assert from 'node:assert/strict';

import {question, test, weather} from './check.js';
import {ask, post} from './events.js';

// The finished items of a stream, and its final response, which must have the same.
function read(events) {
  events.forEach((event, i) => assert.equal(event.sequence_number, i));
  assert.equal(events[0].type, 'response.created');
  const items = [], added = [];
  let text = '', final = null;
  for (const event of events) {
    if (event.type === 'response.output_item.added') {
      assert.equal(event.output_index, added.length);
      added.push(event.item);
      text = '';
    } else if (event.type.endsWith('.delta')) {
      assert.equal(event.output_index, added.length - 1);
      assert.equal(event.item_id, added.at(-1).id);
      text += event.delta;
    } else if (event.type === 'response.output_text.done' || event.type === 'response.reasoning_text.done') {
      assert.equal(event.text, text);
    } else if (event.type === 'response.function_call_arguments.done') {
      assert.equal(event.arguments, text);
    } else if (event.type === 'response.custom_tool_call_input.done') {
      assert.equal(event.input, text);
    } else if (event.type === 'response.output_item.done') {
      assert.equal(event.output_index, items.length);
      assert.equal(event.item.id, added[items.length].id);
      items.push(event.item);
    } else if (event.type === 'response.completed' || event.type === 'response.incomplete') {
      final = event;
    }
  }
  assert.equal(final, events.at(-1));
  assert.equal(final.type, `response.${final.response.status}`);
  assert.deepEqual(final.response.output, items);
  return final.response;
}

export async function run(url, apiKey) {
  const headers = {authorization: `Bearer ${apiKey}`, originator: 'codex_cli_rs', session_id: 's', conversation_id: 's'};
  const path = `${url}/v1/responses`;
  const say = (role, text) => ({type: 'message', role, content: [{type: 'input_text', text}]});
  const shell = {
    type: 'function', name: 'shell', description: 'Runs a shell command.', strict: false,
    parameters: {
      type: 'object',
      properties: {command: {type: 'array', items: {type: 'string', maxLength: 9}, minItems: 1, maxItems: 3}, timeout_ms: {type: 'integer', minimum: 1, maximum: 99}},
      required: ['command'], additionalProperties: false,
    },
  };
  const session = {
    model: 'nano',
    instructions: 'You are a coding agent that runs in a terminal. ' + 'Keep to the conventions of the repository. '.repeat(20),
    tools: [
      shell,
      {type: 'function', name: 'weather', description: 'Of a city.', strict: true, parameters: weather},
      {type: 'custom', name: 'apply_patch', description: 'Edits files. FREEFORM: no JSON.',
       format: {type: 'grammar', syntax: 'lark', definition: 'start: /.+/s'}},
      {type: 'web_search', external_web_access: false},
    ],
    tool_choice: 'auto',
    parallel_tool_calls: false,
    reasoning: {effort: 'none', summary: 'auto'},
    store: false,
    stream: true,
    include: ['reasoning.encrypted_content'],
    prompt_cache_key: 's',
    text: {verbosity: 'low'},
    temperature: 1,
    seed: 3,
  };

  await test('codex: a session with tools', async () => {
    const input = [say('developer', '<permissions instructions>'), say('user', '<environment_context>'), say('user', question)];
    for (const [turn, name] of ['weather', 'shell', 'weather'].entries()) {
      const made = read(await ask(path, {...session, input, tool_choice: {type: 'function', name}, max_output_tokens: 900}, headers));
      assert.equal(made.status, 'completed');
      assert.equal(made.incomplete_details, null);
      if (turn > 0) assert.ok(made.usage.input_tokens_details.cached_tokens > 100, 'a later turn reads all anew');
      const call = made.output.at(-1);
      assert.equal(call.type, 'function_call');
      assert.equal(call.name, name);
      assert.equal(call.status, 'completed');
      JSON.parse(call.arguments);
      input.push(...made.output, {type: 'function_call_output', call_id: call.call_id, output: '{"output":"sun","metadata":{"exit_code":0}}'});
    }
    const last = read(await ask(path, {...session, input, max_output_tokens: 60, reasoning: {effort: 'low'}}, headers));
    for (const item of last.output) assert.ok(!/<\/?(think|tool_calls)>/.test(item.content?.[0]?.text ?? ''));
  });

  await test('codex: wherever a call is cut off, the response is incomplete', async () => {
    const body = {...session, temperature: 0, input: question, tool_choice: {type: 'function', name: 'weather'}};
    const all = read(await ask(path, {...body, max_output_tokens: 600}, headers));
    const call = all.output[0];
    let cut = null;
    for (let max_output_tokens = 1; max_output_tokens < all.usage.output_tokens - 1; ++max_output_tokens) {
      const made = read(await ask(path, {...body, max_output_tokens}, headers));
      assert.equal(made.status, 'incomplete');
      assert.deepEqual(made.incomplete_details, {reason: 'max_output_tokens'});
      assert.equal(made.usage.output_tokens, max_output_tokens);
      for (const item of made.output) {
        assert.equal(item.type, 'function_call', JSON.stringify(item));
        assert.ok(call.arguments.startsWith(item.arguments));
        if (item.arguments !== call.arguments) {
          assert.equal(item.status, 'incomplete');
          cut = made;
        }
      }
      const whole = await ask(path, {...body, stream: false, max_output_tokens}, headers);
      const bare = output => output.map(({id, call_id, ...rest}) => rest);
      assert.deepEqual(bare(whole.output), bare(made.output));
    }
    assert.ok(cut);
  });

  await test('codex: a patch as a custom tool, whole and cut off', async () => {
    const tool_choice = {type: 'custom', name: 'apply_patch'};
    const input = [say('user', question)];
    const answer = await post(path, {...session, input, tool_choice, max_output_tokens: 900}, headers);
    assert.match(answer.headers.get('x-fulgur-ignored-fields'), /web_search/);
    const made = read(answer.events);
    const call = made.output.at(-1);
    assert.equal(call.type, 'custom_tool_call');
    assert.equal(call.name, 'apply_patch');
    if (made.status === 'completed') assert.equal(call.status, 'completed');
    const cut = read(await ask(path, {...session, input, tool_choice, max_output_tokens: made.usage.output_tokens - 12}, headers));
    assert.equal(cut.status, 'incomplete');
    assert.equal(cut.output.at(-1).status, 'incomplete');
    assert.ok(call.input.startsWith(cut.output.at(-1).input));
    // Both go back, with what came of them.
    for (const {output} of [made, cut]) {
      input.push(...output, {type: 'custom_tool_call_output', call_id: output.at(-1).call_id, output: 'Done.'});
    }
    const last = read(await ask(path, {...session, input, tool_choice: 'none', max_output_tokens: 20}, headers));
    assert.ok(last.output.every(item => item.type === 'message'));
  });

  await test('codex: answers without a tool, whose log-probabilities are theirs', async () => {
    const body = {...session, tools: [], temperature: 0, input: [say('user', question)], max_output_tokens: 400, top_logprobs: 2,
                  include: ['message.output_text.logprobs'], reasoning: {effort: 'high'}};
    const made = read(await ask(path, body, headers));
    assert.deepEqual(made.output.map(item => item.type), ['reasoning', 'message']);
    const part = made.output[1].content[0];
    assert.ok(part.text.length > 0);
    assert.equal(Buffer.from(part.logprobs.flatMap(token => token.bytes)).toString(), part.text);
    const one = await ask(path, {...body, stream: false, max_output_tokens: 1}, headers);
    assert.equal(one.status, 'incomplete');
    assert.deepEqual(one.output, []);
  });

  await test('codex: errors name the field', async () => {
    const long = await post(path, {...session, stream: false, input: 'x '.repeat(9000)}, headers);
    assert.equal(long.status, 400);
    assert.equal(long.json.error.param, 'input');
    assert.equal(long.json.error.code, 'context_length_exceeded');
    const limit = await post(path, {...session, input: 'x', max_output_tokens: 'many'}, headers);
    assert.equal(limit.json.error.param, 'max_output_tokens');
    const broken = await fetch(path, {method: 'POST', headers: {'content-type': 'application/json', ...headers}, body: '{"input": '});
    assert.equal(broken.status, 400);
    assert.ok(!/exception/.test(await broken.text()));
  });
}
