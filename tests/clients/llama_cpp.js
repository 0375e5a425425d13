// A model that goes out as a GGUF file answers in llama.cpp (which npm's node-llama-cpp carries) as it does here, and
// the file comes back with the same answers.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';

import {getLlama} from 'node-llama-cpp';

import {test} from './check.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const nano = `${root}models/nano`;
const fulgur = (...args) =>
    execFileSync(process.env.FULGUR ?? `${root}build/release/fulgur`, args, {encoding: 'utf8', maxBuffer: 1 << 26});
const maxTokens = 300;

// Held-out problems of the tasks that the model knows.
function problems(count) {
  const report = JSON.parse(fulgur('eval', nano, '--task', 'trained', '--count', '3', '--json', '--each'));
  return report.samples.map(sample => sample.prompt).slice(0, count);
}

// What llama.cpp makes of a prompt, always the most likely token.
async function greedy(model, context, prompt) {
  const sequence = context.getSequence();
  const tokens = [];
  for await (const token of sequence.evaluate(model.tokenize(prompt, true), {temperature: 0})) {
    if (model.isEogToken(token)) break;
    tokens.push(token);
    if (tokens.length === maxTokens) break;
  }
  sequence.dispose();
  return model.detokenize(tokens);
}

export async function run(url, key) {
  const post = async (path, body) => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: {'content-type': 'application/json', authorization: `Bearer ${key}`},
      body: JSON.stringify(body),
    });
    assert.equal(response.status, 200);
    return response.json();
  };
  const folder = mkdtempSync(join(tmpdir(), 'fulgur-gguf-'));
  try {
    const llama = await getLlama({gpu: false, build: 'never', logLevel: 'error'});
    const load = async type => {
      const modelPath = join(folder, `nano-${type}.gguf`);
      fulgur('quantize', nano, modelPath, '--type', type, '--force');
      return llama.loadModel({modelPath, gpuLayers: 0});
    };
    const prompts = [];
    for (const problem of problems(24)) {
      const {tokens} = await post('/tokenize', {messages: [{role: 'user', content: problem}]});
      prompts.push((await post('/detokenize', {tokens})).prompt);
    }
    const ours = [];
    for (const prompt of prompts) {
      const answer = await post('/v1/completions', {prompt, temperature: 0, max_tokens: maxTokens});
      ours.push(answer.choices[0].text);
    }

    await test('llama.cpp splits texts into the tokens that Fulgur does', async () => {
      const model = await load('f32');
      const texts = [...prompts, 'It\'s 3.14159 and 27,182; WE\'LL see.\n\n  Grüße, 世界! \t\r\n', ' a  b   c\n'];
      for (const content of texts) {
        const {tokens} = await post('/tokenize', {content, add_special: false});
        assert.deepEqual([...model.tokenize(content, true)], tokens, content);
      }
      await model.dispose();
    });
    for (const [type, least] of [['f32', 24], ['f16', 24], ['q8_0', 22]]) {
      await test(`a GGUF file in ${type} answers ${least} of 24 problems in llama.cpp as here`, async () => {
        const model = await load(type);
        const context = await model.createContext({contextSize: 2048, threads: 2});
        let same = 0;
        for (const [i, prompt] of prompts.entries()) same += (await greedy(model, context, prompt)) === ours[i];
        await context.dispose();
        await model.dispose();
        assert.ok(same >= least, `${same} of ${prompts.length} are the same`);
      });
    }
    await test('the file comes back with the same answers', () => {
      const evaluate = model => {
        const report = JSON.parse(fulgur('eval', model, '--task', 'addition', '--task', 'sudoku', '--count', '10', '--json', '--each'));
        return report.samples.map(sample => [sample.prompt, sample.thinking, sample.answer]);
      };
      const back = join(folder, 'back'), direct = join(folder, 'direct');
      fulgur('quantize', join(folder, 'nano-f32.gguf'), back, '--type', 'q8');
      fulgur('quantize', nano, direct, '--type', 'q8');
      assert.deepEqual(evaluate(back), evaluate(direct));
    });
  } finally {
    rmSync(folder, {recursive: true});
  }
}
