import {createOpenAICompatible} from '@ai-sdk/openai-compatible';
import {generateObject, generateText, stepCountIs, streamText, tool} from 'ai';
import assert from 'node:assert/strict';
import {z} from 'zod';

import {question, rejects, sum, test} from './check.js';

export async function run(url, apiKey) {
  const provider = createOpenAICompatible(
      {name: 'fulgur', baseURL: `${url}/v1`, apiKey, includeUsage: true, supportsStructuredOutputs: true});
  const model = provider('nano');

  await test('ai: generateText', async () => {
    const {text, reasoningText, usage} = await generateText({model, prompt: question, maxOutputTokens: 400});
    assert.match(text, new RegExp(sum));
    assert.ok(reasoningText.length > 0);
    assert.ok(usage.reasoningTokens > 0);
  });

  await test('ai: streamText', async () => {
    const result = streamText({model, prompt: question, maxOutputTokens: 400});
    let text = '', reasoning = '';
    for await (const part of result.fullStream) {
      if (part.type === 'error') throw part.error;
      if (part.type === 'text-delta') text += part.text;
      if (part.type === 'reasoning-delta') reasoning += part.text;
    }
    assert.match(text, new RegExp(sum));
    assert.ok(reasoning.length > 0);
    assert.ok((await result.usage).outputTokens > 0);
  });

  await test('ai: generateObject', async () => {
    const {object} = await generateObject(
        {model, prompt: question, schema: z.object({total: z.number().int(), sure: z.boolean()}), maxOutputTokens: 800});
    assert.equal(typeof object.sure, 'boolean');
  });

  await test('ai: tools in steps', async () => {
    let called = 0;
    const tools = {
      weather: tool({
        description: 'Of a city.',
        inputSchema: z.object({city: z.enum(['Paris', 'Rome'])}),
        execute: async ({city}) => {
          ++called;
          return `sun in ${city}`;
        },
      }),
    };
    const {steps} = await generateText({
      model, tools, prompt: question, maxOutputTokens: 600, stopWhen: stepCountIs(2),
      prepareStep: ({stepNumber}) => ({toolChoice: stepNumber === 0 ? 'required' : 'none'}),
    });
    assert.ok(called >= 1);
    assert.equal(steps.length, 2);
    const stream = streamText({model, tools, prompt: question, maxOutputTokens: 600, toolChoice: 'required'});
    assert.ok((await stream.toolCalls).length >= 1);
  });

  await test('ai: budgets and errors', async () => {
    const {usage} = await generateText(
        {model, prompt: question, maxOutputTokens: 400, providerOptions: {fulgur: {reasoningEffort: 'none'}}});
    assert.equal(usage.reasoningTokens ?? 0, 0);
    await rejects(generateText({model: provider('no-such'), prompt: 'x', maxRetries: 0}),
                  error => assert.equal(error.statusCode, 404));
  });
}
