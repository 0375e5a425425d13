// The server's web page in a real browser. CHROMIUM names the browser (default: /usr/bin/chromium), WEB_PAGE a file that is shown in
// place of the server's page (to try one without building), SCREENSHOTS a folder for pictures of the page.
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {existsSync, readFileSync} from 'node:fs';
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
const usage = event({id: 'chatcmpl-fake', choices: [], usage: {
  prompt_tokens: 100, completion_tokens: 200, total_tokens: 300,
  prompt_tokens_details: {cached_tokens: 64}, completion_tokens_details: {reasoning_tokens: 77},
}});

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
  const problems = [];  // errors of the page, and requests to anywhere else
  let fake = null;      // the stream that the next chat request gets in place of the server's
  let asked = null;     // the last chat request
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
      if (message.type() === 'error' && !/status of 401/.test(message.text())) problems.push(`console: ${message.text()}`);
    });
    page.on('dialog', dialog => dialog.accept());
    await page.setRequestInterception(true);
    page.on('request', async request => {
      const address = new URL(request.url());
      if (address.protocol.startsWith('http') && address.origin !== url) problems.push(`request: ${request.url()}`);
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
      const press = label => page.evaluate(name => [...document.querySelectorAll('#log button')].find(button => button.textContent === name).click(), label);
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
      await page.waitForFunction(() => document.querySelector('polyline').getAttribute('points').split(' ').length > 2);
      assert.match(await text('#tiles'), /nano/);
      assert.match(await text('#totals'), /\/v1\/chat\/completions 200: \d/);
      await shot('server-light');
    });

    await test('web: no errors, nothing loaded from elsewhere', async () => assert.deepEqual(problems, []));
  } finally {
    await browser.close();
  }
}
