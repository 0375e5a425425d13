// What lm-evaluation-harness sends: log-likelihoods of continuations, texts up to a stop string, chats with one.
import assert from 'node:assert/strict';

import {question, sum, test} from './check.js';
import {ask} from './events.js';

export async function run(url, apiKey) {
  const headers = {authorization: `Bearer ${apiKey}`};
  const complete = body => ask(`${url}/v1/completions`, {model: 'nano', temperature: 0, seed: 1234, ...body}, headers);
  const chat = body =>
      ask(`${url}/v1/chat/completions`, {model: 'nano', temperature: 0, seed: 1234, ...body}, headers);
  const tokens = async text => (await ask(`${url}/tokenize`, {prompt: text}, headers)).tokens;
  const plus = [7, 8, 9].map(n => `${n} + 1 =`);

  await test('lm_eval: log-likelihoods of a batch of continuations', async () => {
    const contexts = await Promise.all(plus.map(tokens));
    // What the model itself would write, and what it would not.
    const written = await complete({prompt: contexts, max_tokens: 3, logprobs: 1});
    const prompts = [], expected = [];
    for (const choice of written.choices.sort((a, b) => a.index - b.index)) {
      const own = await tokens(choice.logprobs.tokens.join(''));
      if (own.length !== 3) continue;  // joined, the tokens can be others
      prompts.push([...contexts[choice.index], ...own]);
      expected.push(choice.logprobs.token_logprobs);
    }
    assert.ok(prompts.length > 0);
    const unlikely = [...contexts[0], ...await tokens(' zebra')];
    const scored = await complete({prompt: [...prompts, unlikely], max_tokens: 1, logprobs: 1, echo: true});
    assert.equal(scored.choices.length, prompts.length + 1);
    let best = 0;
    for (const {index, logprobs} of scored.choices) {
      const prompt = index < prompts.length ? prompts[index] : unlikely;
      const length = index < prompts.length ? contexts[index].length : contexts[0].length;
      assert.equal(logprobs.tokens.length, prompt.length + 1);  // and the one that was asked for
      assert.equal(logprobs.token_logprobs[0], null);
      assert.equal(logprobs.top_logprobs[0], null);
      const continuation = logprobs.token_logprobs.slice(length, -1);
      const greedy = continuation.every(
          (value, i) => value === Math.max(...Object.values(logprobs.top_logprobs[length + i])));
      if (index < prompts.length) {
        assert.deepEqual(continuation, expected[index]);  // to the last bit
        assert.ok(greedy);
      } else {
        assert.ok(!greedy);
        assert.ok(continuation.reduce((a, b) => a + b) < -5);
      }
      best += greedy;
    }
    assert.equal(best, prompts.length);
  });

  await test('lm_eval: an echo of text alone', async () => {
    const {choices, usage} = await complete({prompt: plus[0], max_tokens: 0, logprobs: 5, echo: true});
    assert.equal(choices[0].text, plus[0]);
    assert.equal(choices[0].logprobs.tokens.join(''), plus[0]);
    assert.equal(usage.completion_tokens, 0);
    const events = await complete({prompt: plus, max_tokens: 4, logprobs: 1, echo: true, stream: true});
    const whole = await complete({prompt: plus, max_tokens: 4, logprobs: 1, echo: true});
    for (const choice of whole.choices) {
      const own = events.flatMap(event => event.choices).filter(other => other.index === choice.index);
      assert.equal(own.map(other => other.text).join(''), choice.text);
      for (const list of ['tokens', 'token_logprobs', 'text_offset', 'top_logprobs']) {
        assert.deepEqual(own.flatMap(other => other.logprobs?.[list] ?? []), choice.logprobs[list]);
      }
      choice.logprobs.tokens.forEach((token, i) => assert.ok(
          choice.text.startsWith(token, choice.logprobs.text_offset[i]) || i === choice.logprobs.tokens.length - 1));
    }
  });

  await test('lm_eval: texts up to a stop string', async () => {
    const until = ['\n\n', 'Question:', '</s>'];
    const prompt = plus.map(text => `Question: ${text}\nAnswer:`);
    const {choices} = await complete({prompt, max_tokens: 60, stop: until});
    assert.deepEqual(choices.map(choice => choice.index).sort(), [0, 1, 2]);
    for (const choice of choices) {
      for (const stop of until) assert.ok(!choice.text.includes(stop));
      assert.ok(['stop', 'length'].includes(choice.finish_reason));
    }
    // In a text completion a stop string counts wherever it comes.
    const ids = (await ask(`${url}/tokenize`, {messages: [{role: 'user', content: question}]}, headers)).tokens;
    const raw = await complete({prompt: ids, max_tokens: 400, stop: ['</think>']});
    assert.ok(raw.choices[0].text.startsWith('<think>'));
    assert.equal(raw.choices[0].stop_reason, '</think>');
  });

  await test('lm_eval: chats with stop strings', async () => {
    const messages = [{role: 'user', content: question}];
    const all = (await chat({messages, max_tokens: 400})).choices[0].message;
    for (const stop of [['\n'], ['\n\n'], ['\n\n', 'Question:', '</s>', '<|im_end|>'], '<', ['think', 'tool_calls']]) {
      const {choices} = await chat({messages, max_tokens: 400, stop});
      assert.match(choices[0].message.content, new RegExp(sum), JSON.stringify(stop));
      assert.equal(choices[0].message.reasoning_content, all.reasoning_content);
    }
    const cut = (await chat({messages, max_tokens: 400, stop: [sum]})).choices[0];
    assert.equal(cut.message.content, all.content.slice(0, all.content.indexOf(sum)).trimEnd());
    assert.equal(cut.finish_reason, 'stop');
    assert.equal(cut.stop_reason, sum);
  });

  await test('lm_eval: a chat of several turns', async () => {
    // Examples as earlier turns, then the question.
    const messages = [{role: 'system', content: 'Answer the question.'}];
    for (const [a, b] of [[11, 22], [33, 44], [5, 6]]) {
      messages.push({role: 'user', content: `What is ${a} + ${b}? Put the answer in \\boxed{}.`});
      for (const stop of [['\n\n'], '\n', 'think']) {
        const {choices, usage} = await chat({messages, max_tokens: 30, stop, reasoning_effort: 'none'});
        assert.ok(choices[0].message.content.length > 0);
        assert.ok(!choices[0].message.content.includes('\n\n'));
        assert.equal(usage.completion_tokens_details.reasoning_tokens, 0);
      }
      messages.push({role: 'assistant', content: `The answer is \\boxed{${a + b}}.`});
    }
  });
}
