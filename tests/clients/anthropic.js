import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';

import {oneInPieces, question, rejects, sum, test, weather} from './check.js';

export async function run(url, apiKey) {
  const client = new Anthropic({baseURL: url, apiKey, maxRetries: 0});
  const model = 'nano';
  const messages = [{role: 'user', content: question}];
  const tools = [{name: 'weather', description: 'Of a city.', input_schema: weather}];

  await test('anthropic: a message', async () => {
    const message = await client.messages.create({model, messages, max_tokens: 400});
    assert.deepEqual(message.content.map(block => block.type), ['thinking', 'text']);
    assert.match(message.content[1].text, new RegExp(sum));
    assert.equal(message.stop_reason, 'end_turn');
  });

  await test('anthropic: a stream', async () => {
    const stream = client.messages.stream({model, messages, max_tokens: 400});
    let text = '', thinking = '';
    stream.on('text', delta => text += delta);
    stream.on('thinking', delta => thinking += delta);
    const final = await stream.finalMessage();
    const whole = await client.messages.create({model, messages, max_tokens: 400});
    assert.deepEqual(final.content, whole.content);
    assert.equal(text, whole.content[1].text);
    assert.equal(thinking, whole.content[0].thinking);
    assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
    const total = usage => usage.input_tokens + usage.cache_read_input_tokens;
    assert.equal(total(final.usage), total(whole.usage));
  });

  await test('anthropic: tools, there and back', async () => {
    for (const tool_choice of [{type: 'any', disable_parallel_tool_use: true}, {type: 'tool', name: 'weather'}]) {
      let first = null, use = null;
      await oneInPieces(async () => {
        const stream = client.messages.stream({model, messages, tools, tool_choice, max_tokens: 600});
        const parts = [];
        stream.on('inputJson', part => parts.push(part));
        first = await stream.finalMessage();
        assert.equal(first.stop_reason, 'tool_use');
        use = first.content.at(-1);
        assert.equal(use.type, 'tool_use');
        assert.ok(['Paris', 'Rome'].includes(use.input.city));
        assert.deepEqual(JSON.parse(parts.join('')), use.input);
        return parts;
      });
      const second = await client.messages.create({
        model,
        tools,
        max_tokens: 20,
        messages: [...messages, {role: 'assistant', content: first.content},
                   {role: 'user', content: [{type: 'tool_result', tool_use_id: use.id, content: 'sun'}]}],
      });
      assert.ok(second.stop_reason);
    }
  });

  await test('anthropic: budgets', async () => {
    const thinking = {type: 'enabled', budget_tokens: 1024};
    const much = await client.messages.create({model, messages, thinking, max_tokens: 2000});
    assert.equal(much.content[0].type, 'thinking');
    const none = await client.messages.create({model, messages, thinking: {type: 'disabled'}, max_tokens: 400});
    assert.deepEqual(none.content.map(block => block.type), ['text']);
  });

  await test('anthropic: counts, system prompts, stop sequences, a begun answer', async () => {
    const bare = await client.messages.countTokens({model, messages});
    const more = await client.messages.countTokens({model, messages, system: 'Be short.', tools});
    assert.ok(more.input_tokens > bare.input_tokens);
    const stopped = await client.messages.create({model, messages, stop_sequences: ['boxed'], max_tokens: 400});
    assert.equal(stopped.stop_reason, 'stop_sequence');
    assert.equal(stopped.stop_sequence, 'boxed');
    const begun = await client.messages.create(
        {model, max_tokens: 20, messages: [...messages, {role: 'assistant', content: 'The sum is'}]});
    assert.deepEqual(begun.content.map(block => block.type), ['text']);
  });

  await test('anthropic: errors', async () => {
    await rejects(client.messages.create({model, messages: [], max_tokens: 1}), error => {
      assert.ok(error instanceof Anthropic.BadRequestError);
      assert.equal(error.error.error.type, 'invalid_request_error');
    });
    const stranger = new Anthropic({baseURL: url, apiKey: 'wrong', maxRetries: 0});
    await rejects(stranger.messages.create({model, messages, max_tokens: 1}),
                  error => assert.ok(error instanceof Anthropic.AuthenticationError));
  });
}
