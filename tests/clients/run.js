// node run.js [NAME...]: the client tests, or those named, against a server that is started for them. FULGUR names the
// binary (default: build/release/fulgur of this repository).
import {spawn} from 'node:child_process';
import {fileURLToPath} from 'node:url';

import {summary} from './check.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const names = process.argv.length > 2 ? process.argv.slice(2) : ['openai', 'anthropic', 'ai_sdk', 'langchain', 'codex', 'claude_code', 'lm_eval', 'llama_cpp', 'web'];
const key = 'test-key';
const server = spawn(process.env.FULGUR ?? `${root}build/release/fulgur`,
                     ['serve', `${root}models/nano`, '--port', '0', '--api-key', key], {stdio: ['ignore', 'pipe', 'pipe']});
let log = '';
server.stderr.on('data', text => log += text);
try {
  const url = await new Promise((resolve, reject) => {
    server.stdout.on('data', text => {
      const found = String(text).match(/https?:\/\/\S+/);
      if (found) resolve(found[0]);
    });
    server.on('error', reject);
    server.on('exit', () => reject(new Error(`the server ended: ${log}`)));
  });
  for (const name of names) await (await import(`./${name}.js`)).run(url, key);
} finally {
  server.removeAllListeners('exit');
  server.kill();
}
const good = summary();
if (!good) console.log(log);
process.exitCode = good ? 0 : 1;
