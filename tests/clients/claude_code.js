// A session as Claude Code holds it: streams, a system prompt of several blocks, tools and their results.
import assert from 'node:assert/strict';

import {question, test, weather} from './check.js';
import {ask, post} from './events.js';

// The message that the events put together, as the SDK does.
function message(events) {
  assert.equal(events[0].type, 'message_start');
  assert.equal(events.at(-1).type, 'message_stop');
  const made = structuredClone(events[0].message);
  let open = -1, json = '';
  for (const event of events) {
    if (event.type === 'content_block_start') {
      assert.equal(open, -1);
      assert.equal(event.index, made.content.length);
      open = event.index;
      json = '';
      made.content.push(structuredClone(event.content_block));
    } else if (event.type === 'content_block_delta') {
      assert.equal(event.index, open);
      const block = made.content[open], delta = event.delta;
      if (delta.type === 'text_delta') block.text += delta.text;
      if (delta.type === 'thinking_delta') block.thinking += delta.thinking;
      if (delta.type === 'signature_delta') block.signature = delta.signature;
      if (delta.type === 'input_json_delta') json += delta.partial_json;
    } else if (event.type === 'content_block_stop') {
      assert.equal(event.index, open);
      if (made.content[open].type === 'tool_use') made.content[open].partial = json;
      open = -1;
    } else if (event.type === 'message_delta') {
      Object.assign(made, event.delta);
      Object.assign(made.usage, event.usage);
    } else {
      assert.ok(['message_start', 'message_stop', 'ping'].includes(event.type), event.type);
    }
  }
  assert.equal(open, -1);
  return made;
}

export async function run(url, apiKey) {
  const headers = {
    'x-api-key': apiKey,
    'anthropic-version': '2023-06-01',
    'anthropic-beta': 'claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14',
    'user-agent': 'claude-cli/2.0.0 (external, cli)',
  };
  const path = `${url}/v1/messages?beta=true`;
  const cache = {cache_control: {type: 'ephemeral'}};
  const tool = (name, properties, required) => (
      {name, description: `The tool ${name}.`, input_schema: {type: 'object', properties, required, additionalProperties: false}});
  const tools = [
    tool('Bash', {command: {type: 'string', maxLength: 20}, timeout: {type: 'number'}}, ['command']),
    tool('Read', {file_path: {type: 'string', maxLength: 20}}, ['file_path']),
    {name: 'weather', description: 'Of a city.', input_schema: weather, ...cache},
  ];
  const session = {
    model: 'nano',
    system: [
      {type: 'text', text: 'You are a coding agent in a terminal.', ...cache},
      {type: 'text', text: 'Be concise. Use the tools. ' + 'Follow the conventions of the repository. '.repeat(20), ...cache},
    ],
    tools,
    metadata: {user_id: 'user_0_account__session_1'},
    stream: true,
    temperature: 1,
    seed: 5,
  };

  await test('claude_code: a session with tools', async () => {
    const messages = [{role: 'user', content: [{type: 'text', text: 'List the files.'}, {type: 'text', text: question, ...cache}]}];
    let read = 0;
    // The first block of the system prompt is another in every turn.
    const system = () => [
      {type: 'text', text: `x-anthropic-billing-header: cc_version=2.1.37.3a3; cc_entrypoint=cli; cch=${read}${read}ab1;`},
      ...session.system,
    ];
    for (const name of ['weather', 'weather', undefined]) {
      const tool_choice = name ? {type: 'tool', name} : undefined;
      const thinking = name ? {type: 'disabled'} : {type: 'enabled', budget_tokens: 1024};
      const made = message(await ask(
          path, {...session, system: system(), messages, tool_choice, thinking, max_tokens: 600}, headers));
      if (read > 0) assert.ok(made.usage.cache_read_input_tokens > 100, 'the second turn reads all anew');
      ++read;
      assert.ok(made.usage.output_tokens > 0);
      if (name) {
        assert.equal(made.stop_reason, 'tool_use');
        const use = made.content.at(-1);
        assert.equal(use.name, name);
        use.input = JSON.parse(use.partial);
        delete use.partial;
        assert.ok(['Paris', 'Rome'].includes(use.input.city));
        messages.push({role: 'assistant', content: made.content});
        messages.push({role: 'user', content: [
          {tool_use_id: use.id, type: 'tool_result', content: [{type: 'text', text: 'sun'}], is_error: false, ...cache},
          {type: 'text', text: '<system-reminder>Be brief.</system-reminder>'},
        ]});
      } else {
        assert.ok(['end_turn', 'tool_use', 'max_tokens'].includes(made.stop_reason));
        for (const block of made.content) assert.ok(!/<\/?(think|tool_calls)>/.test(block.text ?? ''), block.text);
      }
    }
  });

  await test('claude_code: wherever a call is cut off, it is not to be run', async () => {
    const body = {
      ...session, thinking: {type: 'disabled'}, tool_choice: {type: 'tool', name: 'weather'}, temperature: 0,
      messages: [{role: 'user', content: question}],
    };
    const all = message(await ask(path, {...body, max_tokens: 600}, headers));
    assert.equal(all.stop_reason, 'tool_use');
    for (let max_tokens = 1; max_tokens < all.usage.output_tokens - 1; ++max_tokens) {
      const cut = message(await ask(path, {...body, max_tokens}, headers));
      assert.equal(cut.stop_reason, 'max_tokens');
      assert.equal(cut.usage.output_tokens, max_tokens);
      assert.ok(cut.content.every(block => block.type === 'tool_use'), JSON.stringify(cut.content));
      for (const block of cut.content) assert.ok(all.content[0].partial.startsWith(block.partial));
    }
    // And the conversation goes on with it.
    const cut = await ask(path, {...body, stream: false, max_tokens: all.usage.output_tokens - 8}, headers);
    assert.equal(cut.stop_reason, 'max_tokens');
    const use = cut.content.find(block => block.type === 'tool_use');
    const messages = [
      ...body.messages, {role: 'assistant', content: cut.content},
      {role: 'user', content: [{type: 'tool_result', tool_use_id: use.id, content: 'cut off', is_error: true}]},
    ];
    message(await ask(path, {...body, messages, tool_choice: {type: 'none'}, max_tokens: 20}, headers));
  });

  await test('claude_code: stop sequences are for the answer', async () => {
    const body = {...session, stream: false, temperature: 0, messages: [{role: 'user', content: question}], max_tokens: 600};
    delete body.tools;
    const all = await ask(path, {...body, thinking: {type: 'enabled', budget_tokens: 1024}}, headers);
    assert.deepEqual(all.content.map(block => block.type), ['thinking', 'text']);
    for (const stop_sequences of [['\n'], ['<'], ['\n\nHuman:', '</think>']]) {
      const same = await ask(path, {...body, stop_sequences, thinking: {type: 'enabled', budget_tokens: 1024}}, headers);
      assert.deepEqual(same.content, all.content, JSON.stringify(stop_sequences));
    }
    const stop = all.content[1].text.slice(-3);
    const cut = await ask(path, {...body, stop_sequences: [stop], thinking: {type: 'enabled', budget_tokens: 1024}}, headers);
    assert.equal(cut.stop_reason, 'stop_sequence');
    assert.equal(cut.stop_sequence, stop);
    assert.equal(cut.content[1].text, all.content[1].text.slice(0, all.content[1].text.indexOf(stop)).trimEnd());
  });

  await test('claude_code: counting tokens, probes, errors', async () => {
    const {model, system, tools: all} = session;
    const messages = [{role: 'user', content: question}];
    const {input_tokens} = await ask(`${url}/v1/messages/count_tokens?beta=true`, {model, system, tools: all, messages}, headers);
    const made = await ask(path, {...session, stream: false, messages, max_tokens: 1}, headers);
    const {usage} = made;
    assert.equal(usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens, input_tokens);
    assert.equal(made.stop_reason, 'max_tokens');
    assert.ok(made.content.every(block => !(block.text ?? '').includes('<think')), JSON.stringify(made.content));
    const long = await post(path, {...session, messages: [{role: 'user', content: '1 '.repeat(9000)}], max_tokens: 5}, headers);
    assert.equal(long.status, 400);
    assert.equal(long.json.error.type, 'invalid_request_error');
    assert.equal(long.json.error.param, 'messages');
    const wrong = await fetch(path, {headers});
    assert.equal(wrong.status, 405);
    assert.equal(wrong.headers.get('allow'), 'POST');
  });
}
