import {AIMessage, HumanMessage, SystemMessage, ToolMessage} from '@langchain/core/messages';
import {tool} from '@langchain/core/tools';
import {ChatOpenAI} from '@langchain/openai';
import assert from 'node:assert/strict';
import {z} from 'zod';

import {question, rejects, sum, test} from './check.js';

export async function run(url, apiKey) {
  const options = {model: 'nano', apiKey, maxTokens: 600, maxRetries: 0, configuration: {baseURL: `${url}/v1`}};
  const model = new ChatOpenAI(options);

  await test('langchain: invoke', async () => {
    const answer = await model.invoke([new HumanMessage(question)]);
    assert.match(answer.content, new RegExp(sum));
    assert.ok(answer.usage_metadata.output_tokens > 0);
    const second = await model.invoke([new SystemMessage('Be short.'), new HumanMessage(question),
                                       new AIMessage(answer.content), new HumanMessage('And 1 + 1?')]);
    assert.ok(second.content.length > 0);
  });

  await test('langchain: stream', async () => {
    let text = '';
    for await (const chunk of await model.stream(question)) text += chunk.content;
    assert.match(text, new RegExp(sum));
  });

  await test('langchain: structured output', async () => {
    const structured = model.withStructuredOutput(z.object({total: z.number().int(), sure: z.boolean()}),
                                                  {name: 'answer', method: 'jsonSchema'});
    assert.equal(typeof (await structured.invoke(question)).sure, 'boolean');
    const called = model.withStructuredOutput(z.object({total: z.number().int(), sure: z.boolean()}),
                                              {name: 'answer', method: 'functionCalling'});
    assert.equal(typeof (await called.invoke(question)).sure, 'boolean');
  });

  await test('langchain: tools, there and back', async () => {
    const weather = tool(async ({city}) => `sun in ${city}`,
                         {name: 'weather', description: 'Of a city.', schema: z.object({city: z.enum(['Paris', 'Rome'])})});
    const call = await model.bindTools([weather], {tool_choice: 'required'}).invoke(question);
    assert.ok(call.tool_calls.length >= 1);
    const results = [];
    for (const request of call.tool_calls) results.push(await weather.invoke(request));
    assert.ok(results[0] instanceof ToolMessage);
    const answer = await model.bindTools([weather], {tool_choice: 'none'}).invoke([new HumanMessage(question), call, ...results]);
    assert.equal(answer.tool_calls.length, 0);
  });

  await test('langchain: the responses API', async () => {
    const responses = new ChatOpenAI({...options, useResponsesApi: true});
    const answer = await responses.invoke(question);
    assert.match(answer.text, new RegExp(sum));
  });

  await test('langchain: errors', async () => {
    await rejects(new ChatOpenAI({...options, model: 'no-such'}).invoke('x'), error => assert.equal(error.status, 404));
  });
}
