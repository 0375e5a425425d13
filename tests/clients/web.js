// The server's web page in a real browser. CHROMIUM names the browser (default: /usr/bin/chromium), WEB_PAGE a file that is shown in
// place of the server's page (to try one without building: cmake -D INPUT=src/serve/web/index.html -D OUTPUT=FILE -P cmake/assemble.cmake),
// SCREENSHOTS a folder for pictures of the page.
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import puppeteer from 'puppeteer-core';

import {question, sum, test} from './check.js';

// What a model may not write with any effect, between what it may.
const kHostile = [
  '# Heading <b>one</b>',
  'Text with **bold**, *italic*, `a < b`, ~~gone~~ and [a link](https://example.org/x "title").',
  '<img src=x onerror="window.ran=1"><script>window.ran=1</script>',
  '[bad](javascript:window.ran=1) [data](data:text/html,<script>window.ran=1</script>) ![picture](https://example.org/p.png)',
  '- one\n- two\n  - deeper\n- [x] done\n\n3. three\n4. four',
  '| a | b |\n|---|--:|\n| `x|y` | <i>2</i> |',
  '```html\n<script>window.ran=1</script>\n```',
  '> quoted\n> text',
  'Inline $\\frac{a}{b_1^2}$, \\(\\sqrt[3]{x}\\), \\boxed{42}, prices of $5 and $6, and \\(\\unknown{<img src=x onerror=window.ran=1>}\\).',
  '\\[ \\sum_{i=1}^{n} i = \\frac{n(n+1)}{2}, \\quad A = \\begin{pmatrix} 1 & 2 \\\\ 3 & \\alpha \\end{pmatrix} \\text{ for <b>all</b> } n \\in \\mathbb{N} \\]',
  '$$\n\\lim_{x \\to 0} \\frac{\\sin x}{x} = 1, \\quad f(x) = \\begin{cases} x^2 & x > 0 \\\\ 0 & \\text{otherwise} \\end{cases}\n$$',
].join('\n\n');

const event = json => `data: ${JSON.stringify(json)}\n\n`;
const chunk = (delta, rest = {}) => event({id: 'chatcmpl-fake', choices: [{index: 0, delta, finish_reason: null, ...rest}]});
const pieces = (name, text) => text.match(/[\s\S]{1,7}/gu).map(part => chunk({[name]: part})).join('');
const timings = {prompt_ms: 3, predicted_n: 200, predicted_ms: 4775, predicted_per_second: 41.9};
const usage = event({id: 'chatcmpl-fake', choices: [], usage: {
  prompt_tokens: 100, completion_tokens: 200, total_tokens: 300,
  prompt_tokens_details: {cached_tokens: 64}, completion_tokens_details: {reasoning_tokens: 77},
}, timings});
const end = type => chunk({}, {finish_reason: type === 'stop' ? 'stop' : 'length', finish_details: {type}}) + usage + 'data: [DONE]\n\n';

export async function run(url, apiKey) {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  if (!existsSync(executablePath)) {
    return test('web', () => assert.fail(`there is no ${executablePath}: install chromium, or name a browser in CHROMIUM`));
  }
  const browser = await puppeteer.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    protocolTimeout: 120000,
  });
  const downloads = mkdtempSync(join(tmpdir(), 'fulgur-web-'));
  const problems = [];  // errors of the page, and requests to anywhere else
  let fake = null;      // the stream that the next chat request gets in place of the server's
  let asked = null;     // the last chat request
  let dead = false;     // the server does not answer
  let endless = false;  // the model does not end its thinking by itself
  try {
    const headers = {authorization: `Bearer ${apiKey}`, 'content-type': 'application/json'};
    const endOfThinking = (await (await fetch(`${url}/tokenize`, {method: 'POST', headers, body: '{"prompt": "</think>"}'})).json()).tokens;
    const page = await browser.newPage();
    page.setDefaultTimeout(60000);
    await page.setViewport({width: 1280, height: 850});
    await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value: 'light'}]);
    page.on('pageerror', error => problems.push(`error: ${error.message}`));
    page.on('console', message => {
      // A 401 is how the page learns that it needs a key.
      // And where a test lets no request through, the browser says so.
      if (message.type() === 'error' && !/status of 401|ERR_CONNECTION_REFUSED/.test(message.text())) problems.push(`console: ${message.text()}`);
    });
    page.on('dialog', dialog => dialog.accept());
    await page.setRequestInterception(true);
    page.on('request', async request => {
      const address = new URL(request.url());
      if (address.protocol.startsWith('http') && address.origin !== url) problems.push(`request: ${request.url()}`);
      if (dead) return request.abort('connectionrefused');
      if (address.pathname === '/' && process.env.WEB_PAGE) {
        // With the server's policy, for this page's script.
        const body = readFileSync(process.env.WEB_PAGE, 'utf8');
        const hash = createHash('sha256').update(body.match(/<script>([\s\S]*)<\/script>/)[1]).digest('base64');
        const policy = (await fetch(url)).headers.get('content-security-policy').replace(/sha256-[^']*/, `sha256-${hash}`);
        return request.respond({contentType: 'text/html; charset=utf-8', headers: {'content-security-policy': policy}, body});
      }
      if (address.pathname === '/v1/chat/completions') {
        asked = JSON.parse(request.postData());
        if (fake) {
          const body = fake;
          fake = null;
          return request.respond({status: 200, contentType: 'text/event-stream', body});
        }
        if (endless) {
          const bias = Object.fromEntries(endOfThinking.map(token => [token, -100]));
          return request.continue({postData: JSON.stringify({...asked, logit_bias: bias, ignore_eos: true})});
        }
      }
      request.continue();
    });
    const shot = name => process.env.SCREENSHOTS && page.screenshot({path: `${process.env.SCREENSHOTS}/${name}.png`});
    const text = selector => page.$eval(selector, node => node.textContent);
    const finished = () => page.waitForFunction(() => document.getElementById('stop').hidden && document.querySelector('.message.assistant'));
    const send = async message => {
      await page.type('#text', message);
      await page.keyboard.press('Enter');
    };
    const press = label => page.evaluate(name => [...document.querySelectorAll('#log button')].find(button => button.textContent === name).click(), label);
    const answered = content => page.waitForFunction(
        expected => [...document.querySelectorAll('.answer')].at(-1)?.textContent === expected && document.getElementById('stop').hidden, {}, content);
    const stored = () => page.evaluate(() => Object.keys(localStorage).filter(name => name.startsWith('fulgur.conversation.')).length);

    await test('web: asks for the key that the server wants', async () => {
      const reply = await page.goto(url);
      assert.match(reply.headers()['content-security-policy'], /default-src 'none'; script-src 'sha256-[^']+'; /);
      await page.waitForSelector('#ask-key[open]');
      await page.type('#key', apiKey);
      await page.keyboard.press('Enter');
      await page.waitForFunction(() => !document.getElementById('ask-key').open);
      assert.equal(await page.evaluate(() => sessionStorage.getItem('fulgur.key')), apiKey);
      assert.equal(await text('#model'), 'nano');
    });

    await test('web: a new conversation offers questions that suit the model', async () => {
      const {data} = await (await fetch(`${url}/examples`, {headers})).json();
      await page.waitForSelector('#starters button');
      const shown = () => page.$$eval('#starters button span', nodes => nodes.map(node => node.textContent));
      const first = await shown();
      assert.equal(first.length, 4);
      assert.equal(new Set(await page.$$eval('#starters b', nodes => nodes.map(node => node.textContent))).size, 4);
      await shot('start-light');
      await press('Others');
      assert.notDeepEqual(await shown(), first);
      await page.click('#starters button');
      await finished();
      assert.ok(data.some(example => example.prompt === asked.messages[0].content));
      assert.match(await text('.answer'), /\S/);
      await page.click('#new');
    });

    await test('web: a chat by keyboard, with thinking in a fold and what it took', async () => {
      await page.focus('#text');
      await page.keyboard.type(question);
      await page.keyboard.down('Shift');
      await page.keyboard.press('Enter');
      await page.keyboard.up('Shift');
      assert.equal(await page.$('.message'), null);
      await page.keyboard.press('Enter');
      await finished();
      assert.match(await text('.message.assistant .answer'), new RegExp(sum));
      assert.equal(await page.$eval('details.thinking', node => node.open), false);
      const tokens = Number((await text('details.thinking summary')).match(/Thought: ([\d,]+) tokens/)[1].replaceAll(',', ''));
      assert.ok(tokens > 0);
      await page.click('details.thinking summary');
      await page.waitForFunction(() => document.querySelector('details.thinking .md').textContent.length > 0);
      assert.match(await text('.facts'), /\d tokens · .*tokens\/s · prompt \d/);
      assert.match(await text('#gauge-text'), /^[\d,]+ of [\d,]+$/);
      assert.equal(asked.messages.at(-1).content, question);
      await shot('chat-light');
    });

    await test('web: a budget of none', async () => {
      await page.focus('#budget');
      await page.keyboard.press('Home');
      await page.keyboard.press('ArrowRight');
      assert.equal(await text('#budget-text'), 'none');
      await page.click('#new');
      await send(question);
      await finished();
      assert.equal(asked.thinking_token_budget, 0);
      assert.equal(await page.$eval('details.thinking', node => node.hidden), true);
      await page.focus('#budget');
      await page.keyboard.press('Home');
    });

    await test('web: thinking is ended by its button', async () => {
      await page.click('#new');
      endless = true;
      await send('Think about this for as long as you can: 918273 * 564738 * 192837 = ?');
      await page.waitForSelector('.end-thinking:not([hidden])');
      await page.click('.end-thinking');
      await page.waitForFunction(() => document.querySelector('.answer').textContent.length > 0);
      await page.keyboard.press('Escape');
      await finished();
      endless = false;
      assert.match(await text('.answer'), /\S/);
    });

    await test('web: Markdown and formulas; what the model writes cannot run', async () => {
      await page.click('#new');
      fake = pieces('reasoning_content', 'Let me see: $x^2$ <script>window.ran=1</script>') + pieces('content', kHostile) +
          chunk({}, {finish_reason: 'stop', finish_details: {type: 'stop', thinking_tokens: 77, thinking_cut: false}}) + usage + 'data: [DONE]\n\n';
      await send('<img src=x onerror="window.ran=1"><script>window.ran=1</script>');
      await finished();
      await page.click('details.thinking summary');
      const found = await page.evaluate(() => {
        const answer = document.querySelector('.answer');
        const count = selector => answer.querySelectorAll(selector).length;
        return {
          ran: window.ran, user: document.querySelector('.message.user .body').textContent, summary: document.querySelector('summary').textContent,
          heading: answer.querySelector('h1').textContent, bold: answer.querySelector('strong').textContent, italic: answer.querySelector('em').textContent,
          links: [...answer.querySelectorAll('a')].map(a => [a.getAttribute('href'), a.rel, a.textContent]),
          foreign: document.querySelectorAll('#log img, #log script, #log iframe, #log b, #log i').length,
          nested: count('ul ul li'), start: answer.querySelector('ol').start, cells: [...answer.querySelectorAll('td')].map(td => td.textContent),
          code: answer.querySelector('pre code').textContent, quote: answer.querySelector('blockquote').textContent,
          math: count('math'), display: count('math[display=block]'), fractions: count('mfrac'), roots: count('mroot'), boxed: answer.querySelector('.boxed').textContent,
          matrix: count('mtable'), sum: count('munderover'), text: answer.textContent,
        };
      });
      assert.equal(found.ran, undefined);
      assert.equal(found.foreign, 0);
      assert.match(found.user, /^<img src=x/);
      assert.match(found.summary, /77 tokens/);
      assert.equal(found.heading, 'Heading <b>one</b>');
      assert.deepEqual([found.bold, found.italic], ['bold', 'italic']);
      assert.deepEqual(found.links.map(link => link[0]), ['https://example.org/x', 'https://example.org/p.png']);
      for (const link of found.links) assert.match(link[1], /noopener/);
      assert.equal(found.nested, 1);
      assert.equal(found.start, 3);
      assert.deepEqual(found.cells, ['x|y', '<i>2</i>']);
      assert.equal(found.code, '<script>window.ran=1</script>');
      assert.match(found.quote, /quoted/);
      assert.deepEqual([found.math, found.display, found.fractions, found.roots, found.boxed, found.matrix, found.sum], [6, 2, 3, 1, '42', 2, 1]);
      assert.ok(found.text.includes('prices of $5 and $6'));
      assert.ok(found.text.includes('\\unknown'));
      await shot('markdown-light');
    });

    await test('web: the same in the dark, and the switch', async () => {
      const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const light = await back();
      await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value: 'dark'}]);
      // The page hears of it in its own time.
      await page.waitForFunction(was => getComputedStyle(document.body).backgroundColor !== was, {timeout: 5000}, light);
      const dark = await back();
      await shot('markdown-dark');
      await page.click('#theme');
      assert.equal(await back(), light);
      await page.click('#theme');
      assert.equal(await back(), dark);
      await page.click('#theme');
    });

    await test('web: nothing is wider than a phone of 360 pixels', async () => {
      await page.setViewport({width: 360, height: 740, isMobile: true, hasTouch: true});
      const wide = () => page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(await wide() <= 360);
      await shot('phone');
      await page.click('#menu');
      assert.equal(await page.$eval('#side', node => getComputedStyle(node).visibility), 'visible');
      await new Promise(resolve => setTimeout(resolve, 300));
      await shot('phone-menu');
      await page.keyboard.press('Escape');
      await page.click('#to-server');
      await page.waitForSelector('#tiles div');
      assert.ok(await wide() <= 360);
      await shot('phone-server');
      await page.click('#to-chat');
      await page.setViewport({width: 1280, height: 850});
      await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value: 'light'}]);
    });

    await test('web: tool calls are cards, and their results go back', async () => {
      await page.click('#new');
      const part = (args, rest = {}) => chunk({tool_calls: [{index: 0, function: {arguments: args}, ...rest}]});
      fake = part('', {id: 'call_1', type: 'function', function: {name: 'weather', arguments: ''}}) + part('{"city": ') + part('"Rome"}') +
          chunk({}, {finish_reason: 'tool_calls'}) + usage + 'data: [DONE]\n\n';
      await send('Weather in Rome?');
      await finished();
      assert.match(await text('.card'), /weather[\s\S]*"city": "Rome"/);
      await page.type('.card textarea', 'sun');
      await shot('tool');
      fake = pieces('content', 'It is sunny.') + chunk({}, {finish_reason: 'stop'}) + usage + 'data: [DONE]\n\n';
      await page.evaluate(() => [...document.querySelectorAll('button')].find(button => button.textContent === 'Send result').click());
      await page.waitForFunction(() => document.querySelectorAll('.message.assistant').length === 2 && document.getElementById('stop').hidden);
      assert.deepEqual(asked.messages.at(-1), {role: 'tool', tool_call_id: 'call_1', name: 'weather', content: 'sun'});
      assert.equal(asked.messages.at(-2).tool_calls[0].function.arguments, '{"city": "Rome"}');
    });

    await test('web: stopped with Escape; regenerated; edited', async () => {
      await page.click('#new');
      endless = true;
      await send('Count from one to ten thousand and explain each number.');
      await page.waitForFunction(() => document.querySelector('details.thinking:not([hidden])'));
      await page.keyboard.press('Escape');
      await finished();
      endless = false;
      assert.match(await text('.facts'), /ended by you/);
      assert.match(await text('.note'), /^You stopped it before the answer began/);
      fake = pieces('content', 'Another answer.') + chunk({}, {finish_reason: 'stop'}) + usage + 'data: [DONE]\n\n';
      await press('Regenerate');
      await page.waitForFunction(() => document.querySelector('.answer').textContent === 'Another answer.' && document.getElementById('stop').hidden);
      await press('Edit');
      await page.waitForSelector('.message.user textarea');
      await page.type('.message.user textarea', ' Please.');
      fake = pieces('content', 'A third.') + chunk({}, {finish_reason: 'stop'}) + usage + 'data: [DONE]\n\n';
      await page.keyboard.press('Enter');
      await page.waitForFunction(() => document.querySelector('.answer')?.textContent === 'A third.' && document.getElementById('stop').hidden);
      assert.equal(asked.messages.length, 1);
      assert.match(asked.messages[0].content, /Please\.$/);
    });

    await test('web: earlier versions come back, with what followed them', async () => {
      await page.click('#new');
      const say = async (content, message) => {
        fake = pieces('content', content) + end('stop');
        if (message) await send(message);
        else await press('Regenerate');
        await answered(content);
      };
      const versions = () => page.$$eval('.versions', nodes => nodes.map(node => node.textContent.replace(/[‹›]/g, '')));
      const log = () => page.$$eval('.message .body, .answer', nodes => nodes.map(node => node.textContent));
      const step = (label, nth = 0) => page.evaluate((name, n) => document.querySelectorAll(`[aria-label="${name}"]`)[n].click(), label, nth);
      await say('One.', 'Question');
      await say('Two.');
      await say('Three.');
      assert.deepEqual(await versions(), ['3 of 3']);
      await step('Earlier version');
      assert.deepEqual(await log(), ['Question', 'Two.']);
      await say('Four.', 'And then?');
      assert.deepEqual(asked.messages.map(message => message.content), ['Question', 'Two.', 'And then?']);
      await step('Earlier version');
      assert.deepEqual(await log(), ['Question', 'One.']);
      await shot('versions-light');
      await page.reload();
      await page.waitForSelector('.versions');
      await step('Later version');
      assert.deepEqual(await log(), ['Question', 'Two.', 'And then?', 'Four.']);
      assert.deepEqual(await versions(), ['2 of 3']);
      await page.evaluate(() => [...document.querySelectorAll('.message.user button')].find(button => button.textContent === 'Edit').click());
      await page.waitForSelector('.message.user textarea');
      await page.keyboard.type('!');
      fake = pieces('content', 'Five.') + end('stop');
      await page.keyboard.press('Enter');
      await answered('Five.');
      await step('Earlier version');
      assert.deepEqual(await log(), ['Question', 'Two.', 'And then?', 'Four.']);
    });

    await test('web: the speed is the one that the server measured', async () => {
      await page.click('#new');
      // It all comes at once.
      fake = pieces('reasoning_content', 'Hm.') + chunk({reasoning_content: ' So.'}).replace('{', `{"timings": ${JSON.stringify({...timings, predicted_n: 77, predicted_ms: 1800})}, `) +
          pieces('content', 'Fast.') + end('stop');
      await send('How fast?');
      await answered('Fast.');
      assert.equal(asked.timings_per_token, true);
      assert.match(await text('.facts'), /^200 tokens · 42 tokens\/s · /);
      assert.match(await text('summary'), /77 tokens in 1\.8 s/);
    });

    await test('web: a bubble is as wide as its text', async () => {
      const width = () => page.evaluate(() => {
        const body = [...document.querySelectorAll('.message.user .body')].at(-1), log = document.getElementById('log');
        return [body.getBoundingClientRect().width, body.parentElement.getBoundingClientRect().width,
                body.parentElement.getBoundingClientRect().right - body.getBoundingClientRect().right];
      });
      await page.click('#new');
      fake = pieces('content', 'Yes.') + end('stop');
      await send('Hm?');
      await answered('Yes.');
      const [narrow, , gap] = await width();
      assert.ok(narrow < 90 && gap < 1, `${narrow} ${gap}`);
      fake = pieces('content', 'No.') + end('stop');
      await send('A long question '.repeat(20).trim());
      await answered('No.');
      const [wide, column] = await width();
      assert.ok(wide > .9 * column && wide <= column, `${wide} of ${column}`);
    });

    await test('web: an answer without text says why', async () => {
      const why = async stream => {
        await page.click('#new');
        fake = stream;
        await send('Say something.');
        await finished();
        return page.$eval('.note', node => node.hidden ? '' : node.textContent);
      };
      const thought = pieces('reasoning_content', 'Let me see.');
      assert.match(await why(thought + end('stop')), /only thought/);
      assert.match(await why(end('stop')), /ended at once/);
      assert.match(await why(thought + end('length')), /^The 200 tokens .* used up by the thinking.* thinking budget/);
      await shot('no-text-light');
      assert.match(await why(thought + end('early_truncation')), /repeated itself/);
      assert.match(await why(thought + end('deadline')), /time limit/);
      assert.match(await why(thought + end('cancelled')), /ended on the server/);
      assert.equal(await why(pieces('content', 'Text.') + end('length')), '');
      // Closed while it came.
      await page.click('#new');
      endless = true;
      await send('Count from one to ten thousand.');
      await page.waitForSelector('details.thinking:not([hidden])');
      await page.reload();
      endless = false;
      await page.waitForSelector('.note:not([hidden])');
      assert.match(await text('.note'), /page was closed/);
    });

    await test('web: the composer stays where it is while an answer comes', async () => {
      for (const [width, height] of [[1280, 850], [820, 700], [360, 740]]) {
        await page.setViewport({width, height});
        await page.evaluate(() => document.getElementById('new').click());
        endless = true;
        await send('Count from one to ten thousand and explain each number.');
        await page.waitForFunction(() => !document.getElementById('stop').hidden);
        await page.evaluate(() => {
          window.places = new Set();
          const look = () => {
            const places = ['write', 'text', 'attach', 'budget', 'open-settings', 'gauge'].map(id => {
              const {x, y, width, height} = document.getElementById(id).getBoundingClientRect();
              return [id, x, y, width, height].join(' ');
            });
            window.places.add(places.join('; '));
            window.looking = requestAnimationFrame(look);
          };
          look();
        });
        await page.waitForFunction(() => document.getElementById('speed').textContent !== '' && document.querySelector('summary').textContent.match(/[\d,]+/)[0] !== '0');
        await new Promise(resolve => setTimeout(resolve, 500));
        if (width === 360) await shot('phone-answering');
        await page.keyboard.press('Escape');
        await finished();
        await new Promise(resolve => setTimeout(resolve, 100));
        endless = false;
        assert.equal(await page.evaluate(() => { cancelAnimationFrame(window.looking); return [...window.places].join('\n'); }).then(places => places.split('\n').length), 1,
                     `${width}: ${await page.evaluate(() => [...window.places].join('\n'))}`);
      }
      await page.setViewport({width: 1280, height: 850});
    });

    await test('web: a server that is gone is named, with what to do', async () => {
      await page.click('#new');
      dead = true;
      await send('Anybody there?');
      await page.waitForSelector('#lost:not([hidden])');
      await finished();
      assert.match(await text('#lost'), new RegExp(`The server at ${url} does not answer. Is "fulgur serve" still running`));
      assert.match(await text('.message.assistant .error'), /does not answer.*Start it again, then press "Try again"/);
      await shot('dead-light');
      dead = false;
      await page.waitForFunction(() => document.getElementById('lost').hidden);
      fake = pieces('content', 'Here I am.') + end('stop');
      await press('Try again');
      await answered('Here I am.');
      assert.equal(await page.$('.versions'), null);
      fake = pieces('content', 'Half of');
      await send('And?');
      await finished();
      await page.waitForFunction(() => [...document.querySelectorAll('.error')].some(node => /broke before the answer was complete/.test(node.textContent)));
      assert.equal((await page.$$eval('.answer', nodes => nodes.at(-1).textContent)), 'Half of');
    });

    await test('web: conversations are found by what was said', async () => {
      await page.click('#new');
      fake = pieces('content', 'The café is beside the old Observatory.') + end('stop');
      await send('Where?');
      await finished();
      await page.keyboard.down('Control');
      await page.keyboard.press('k');
      await page.keyboard.up('Control');
      await page.keyboard.type('observatory CAFE');
      assert.equal(await text('#found'), '1 conversation');
      assert.match(await text('#list .open'), /^Where\?/);
      assert.match(await text('#list mark'), /^(café|Observatory)$/);
      await shot('search-light');
      await page.click('#list .open');
      await page.waitForSelector('.message.assistant.found');
      await page.click('#search', {clickCount: 3});
      await page.keyboard.type('nowhere at all');
      assert.equal(await text('#found'), 'no conversations');
      await page.keyboard.press('Escape');
      assert.ok((await page.$$('#list li')).length > 1);
    });

    await test('web: conversations go to a file and come back', async () => {
      const client = await page.createCDPSession();
      await client.send('Browser.setDownloadBehavior', {behavior: 'allow', downloadPath: downloads});
      const all = () => page.evaluate(() => Object.keys(localStorage).filter(name => name.startsWith('fulgur.conversation.')).sort().map(name => localStorage.getItem(name)));
      const load = async (name, content) => {
        if (content !== undefined) writeFileSync(join(downloads, name), content);
        await page.$eval('#notice-text', node => { node.textContent = ''; });
        await (await page.$('#import-file')).uploadFile(join(downloads, name));
        await page.waitForFunction(() => document.getElementById('notice-text').textContent !== '');
        return text('#notice-text');
      };
      const before = (await all()).map(item => JSON.parse(item));
      await page.click('#export-all');
      let file;
      while (!(file = readdirSync(downloads).find(name => name.endsWith('.json')))) await new Promise(resolve => setTimeout(resolve, 50));
      assert.match(await load(file), new RegExp(`^0 conversations imported, ${before.length} were here already`));
      await page.evaluate(() => localStorage.clear());
      await page.reload();
      await page.waitForSelector('#starters');
      assert.match(await load(file), new RegExp(`^${before.length} conversations imported`));
      const after = (await all()).map(item => JSON.parse(item));
      const kept = ({id, title, changed, system, messages}) => [id, title, changed, system, messages.map(({role, content, tool_calls, usage, before}) => ({role, content, tool_calls, usage, before: before?.map(version => version.content)}))];
      assert.deepEqual(after.map(kept), before.map(item => kept({...item, messages: item.messages.map(message => message.before?.length ? message : {...message, before: undefined})})));
      await page.reload();
      assert.equal((await page.$$('#list li')).length, before.length);

      // Chats as training takes them.
      const chat = JSON.stringify({messages: [{role: 'system', content: 'Be brief.'}, {role: 'user', content: [{type: 'text', text: 'From a file'}]},
                                              {role: 'assistant', content: 'Good.', reasoning_content: 'Well.'}]});
      assert.match(await load('chats.jsonl', `${chat}\n${chat}\n`), /^2 conversations imported/);
      assert.equal(await page.$$eval('#list .open', nodes => nodes.filter(node => node.textContent === 'From a file').length), 2);
      // What is wrong is named, and nothing of the file is taken.
      const number = await stored();
      for (const [content, message] of [
        ['no JSON', /bad\.json is not JSON/],
        [`${chat}\n{"messages": `, /bad\.json, line 2 is not JSON/],
        [`[${chat}, {"messages": []}]`, /bad\.json, conversation 2: has no list of "messages"/],
        [`[${chat}, {"messages": [{"role": "user", "content": 5}]}]`, /conversation 2, message 1: "content" must be a text, not 5/],
        [`{"messages": [{"role": "bot", "content": "x"}]}`, /message 1: "role" must be one of/],
      ]) {
        assert.match(await load('bad.json', content), message);
        assert.match(await text('#notice-text'), /^Nothing of this file was imported/);
      }
      assert.equal(await stored(), number);
    });

    await test('web: a long paste becomes a document', async () => {
      await page.click('#new');
      await page.$eval('#text', node => {
        const data = new DataTransfer();
        data.setData('text/plain', 'A line of a long text.\n'.repeat(300));
        node.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));
      });
      await page.waitForFunction(() => /\d tokens/.test(document.getElementById('chips').textContent));
      fake = pieces('content', 'Long.') + chunk({}, {finish_reason: 'stop'}) + usage + 'data: [DONE]\n\n';
      await send('Sum it up.');
      await finished();
      assert.match(asked.messages[0].content, /Pasted text 1[\s\S]*A line of a long text[\s\S]*Sum it up\.$/);
    });

    await test('web: a failure is shown', async () => {
      await page.click('#new');
      fake = pieces('content', 'Half an') + event({error: {message: 'the engine failed', type: 'server_error'}});
      await send('Fail.');
      await finished();
      assert.equal(await text('.message.assistant .error'), 'the engine failed');
      assert.equal(await text('.answer'), 'Half an');
    });

    await test('web: conversations are kept, renamed and deleted', async () => {
      const before = await stored();
      assert.ok(before >= 6);
      await page.reload();
      await page.waitForSelector('.message.assistant');
      assert.equal((await page.$$('#list li')).length, before);
      await page.click('#list li.now .act');
      await page.waitForSelector('#list input');
      await page.keyboard.type('Named by me');
      await page.keyboard.press('Enter');
      assert.equal(await text('#list li.now .open'), 'Named by me');
      await page.click('#list li.now .act:last-child');
      assert.equal(await stored(), before - 1);
    });

    await test('web: the view of the server', async () => {
      await page.click('#to-server');
      await page.waitForFunction(() => document.querySelectorAll('figure').length === 4 && /none|chat/.test(document.getElementById('requests').textContent));
      // The first graph is no empty five minutes: it reaches as far back as there is something to show.
      await page.waitForFunction(() => Math.min(...[...document.querySelectorAll('figure:nth-child(2) polyline')].map(line => parseFloat(line.getAttribute('points')))) < 100);
      assert.match(await text('.axis'), /^(\d\d) s ago/);
      assert.match(await text('#tiles'), /nano/);
      assert.match(await text('#totals'), /\/v1\/chat\/completions 200: \d/);
      await shot('server-light');
    });

    await test('web: no errors, nothing loaded from elsewhere', async () => assert.deepEqual(problems, []));
  } finally {
    await browser.close();
    rmSync(downloads, {recursive: true, force: true});
  }
}
