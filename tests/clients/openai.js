import assert from 'node:assert/strict';
import OpenAI from 'openai';
import {zodResponseFormat, zodTextFormat} from 'openai/helpers/zod';
import {z} from 'zod';

import {oneInPieces, question, rejects, sum, test, weather} from './check.js';

export async function run(url, apiKey) {
  const client = new OpenAI({baseURL: `${url}/v1`, apiKey, maxRetries: 0});
  const model = 'nano';
  const messages = [{role: 'user', content: question}];
  const tools = [{type: 'function', function: {name: 'weather', description: 'Of a city.', parameters: weather}}];

  await test('openai: models', async () => {
    const list = await client.models.list();
    assert.equal(list.data[0].id, model);
    assert.equal((await client.models.retrieve(model)).id, model);
  });

  await test('openai: chat', async () => {
    const chat = await client.chat.completions.create({model, messages, max_tokens: 400});
    assert.match(chat.choices[0].message.content, new RegExp(sum));
    assert.ok(chat.choices[0].message.reasoning_content.length > 0);
    assert.equal(chat.choices[0].finish_reason, 'stop');
    assert.equal(chat.usage.total_tokens, chat.usage.prompt_tokens + chat.usage.completion_tokens);
  });

  await test('openai: chat as a stream', async () => {
    const stream = await client.chat.completions.create(
        {model, messages, max_tokens: 400, stream: true, stream_options: {include_usage: true}});
    let content = '', reasoning = '', usage = null;
    for await (const chunk of stream) {
      content += chunk.choices[0]?.delta.content ?? '';
      reasoning += chunk.choices[0]?.delta.reasoning_content ?? '';
      usage = chunk.usage ?? usage;
    }
    assert.match(content, new RegExp(sum));
    assert.ok(reasoning.length > 0);
    assert.ok(usage.completion_tokens > 0);
  });

  await test('openai: the stream helper puts the same together', async () => {
    const stream = client.chat.completions.stream({model, messages, max_tokens: 400});
    const final = await stream.finalChatCompletion();
    const whole = await client.chat.completions.create({model, messages, max_tokens: 400});
    assert.equal(final.choices[0].message.content, whole.choices[0].message.content);
  });

  await test('openai: tools, there and back', async () => {
    const ask = {model, messages, tools, tool_choice: 'required', parallel_tool_calls: false, max_tokens: 600};
    const call = (await client.chat.completions.create(ask)).choices[0];
    assert.equal(call.finish_reason, 'tool_calls');
    const args = JSON.parse(call.message.tool_calls[0].function.arguments);
    assert.ok(['Paris', 'Rome'].includes(args.city));
    const answer = await client.chat.completions.create({
      ...ask,
      tool_choice: 'auto',
      max_tokens: 20,
      messages: [...messages, call.message, {role: 'tool', tool_call_id: call.message.tool_calls[0].id, content: 'sun'}],
    });
    assert.ok(answer.choices[0].finish_reason);
  });

  await test('openai: tools as a stream', async () => {
    await oneInPieces(async () => {
      const stream = client.chat.completions.stream(
          {model, messages, tools, tool_choice: {type: 'function', function: {name: 'weather'}}, max_tokens: 600});
      const parts = [];
      stream.on('tool_calls.function.arguments.delta', event => parts.push(event.arguments_delta));
      const call = (await stream.finalChatCompletion()).choices[0].message.tool_calls[0].function;
      assert.equal(call.name, 'weather');
      assert.ok(JSON.parse(call.arguments).days >= 1);
      assert.equal(parts.join(''), call.arguments);
      return parts;
    });
  });

  await test('openai: structured output', async () => {
    const format = z.object({total: z.number().int(), sure: z.boolean()});
    const chat = await client.chat.completions.parse(
        {model, messages, response_format: zodResponseFormat(format, 'answer'), max_tokens: 800});
    assert.equal(typeof chat.choices[0].message.parsed.sure, 'boolean');
    const response = await client.responses.parse(
        {model, input: question, text: {format: zodTextFormat(format, 'answer')}, max_output_tokens: 800});
    assert.equal(typeof response.output_parsed.sure, 'boolean');
  });

  await test('openai: budgets', async () => {
    const none = await client.chat.completions.create({model, messages, reasoning_effort: 'none', max_tokens: 400});
    assert.equal(none.usage.completion_tokens_details.reasoning_tokens, 0);
    const few = await client.chat.completions.create({model, messages, thinking_token_budget: 8, max_tokens: 400});
    assert.equal(few.usage.completion_tokens_details.reasoning_tokens, 8);
    assert.equal(few.choices[0].finish_details.thinking_cut, true);
  });

  await test('openai: completions', async () => {
    const text = await client.completions.create({model, prompt: ['1 + 1 =', '2 + 2 ='], max_tokens: 3, logprobs: 2});
    assert.equal(text.choices.length, 2);
    assert.equal(text.choices[1].logprobs.tokens.length, 3);
  });

  await test('openai: responses', async () => {
    const whole = await client.responses.create({model, input: question, max_output_tokens: 400});
    assert.match(whole.output_text, new RegExp(sum));
    assert.equal(whole.output[0].type, 'reasoning');
    const stream = client.responses.stream({model, input: question, max_output_tokens: 400});
    let deltas = '';
    stream.on('response.output_text.delta', event => deltas += event.delta);
    const final = await stream.finalResponse();
    assert.equal(final.output_text, whole.output_text);
    assert.equal(deltas, whole.output_text);
    // The next turn, with all that was written handed back.
    const next = await client.responses.create({
      model,
      input: [{role: 'user', content: question}, ...whole.output, {role: 'user', content: 'And 1 + 1?'}],
      max_output_tokens: 400,
    });
    assert.ok(next.usage.input_tokens_details.cached_tokens > 0);
  });

  await test('openai: responses with tools', async () => {
    const tool = {type: 'function', name: 'weather', parameters: weather, strict: true};
    const stream = client.responses.stream(
        {model, input: question, tools: [tool], tool_choice: 'required', parallel_tool_calls: false, max_output_tokens: 600});
    const first = await stream.finalResponse();
    const call = first.output.find(item => item.type === 'function_call');
    assert.equal(call.name, 'weather');
    const second = await client.responses.create({
      model,
      tools: [tool],
      input: [{role: 'user', content: question}, ...first.output,
              {type: 'function_call_output', call_id: call.call_id, output: 'sun'}],
      max_output_tokens: 20,
    });
    assert.ok(second.status);
  });

  await test('openai: errors', async () => {
    await rejects(client.chat.completions.create({model, messages: [{role: 'user'}]}), error => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, 'messages[0].content');
    });
    await rejects(client.chat.completions.create({model: 'no-such', messages}), error => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, 'model_not_found');
    });
    const stranger = new OpenAI({baseURL: `${url}/v1`, apiKey: 'wrong', maxRetries: 0});
    await rejects(stranger.models.list(), error => assert.ok(error instanceof OpenAI.AuthenticationError));
  });

  await test('openai: an aborted stream is cancelled', async () => {
    const stream = await client.chat.completions.create(
        {model, messages, stream: true, max_tokens: 3500, ignore_eos: true});
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.reasoning_content) break;
    }
    stream.controller.abort();
    for (let i = 0; i < 200; ++i) {
      const slots = await (await fetch(`${url}/slots`, {headers: {authorization: `Bearer ${apiKey}`}})).json();
      if (slots.slots.length === 0) return;
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    assert.fail('the request still runs');
  });
}
