// Markdown.

const Markdown = (() => {
  const kMaxDepth = 24;
  const kFence = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
  const kHeading = /^ {0,3}(#{1,6})\s+(\S.*)$/;
  const kRule = /^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$/;
  const kItem = /^(\s*)([-*+]|\d{1,9}[.)])(\s+|$)(.*)$/;
  const kDelimiterRow = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;
  const kMathStart = /^\s*(\$\$|\\\[)/;

  const isTable = (lines, i) => i + 1 < lines.length && lines[i].includes('|') && lines[i + 1].includes('-') &&
      kDelimiterRow.test(lines[i + 1]) && cells(lines[i]).length === cells(lines[i + 1]).length;
  const startsBlock = (lines, i) => kFence.test(lines[i]) || kHeading.test(lines[i]) || kRule.test(lines[i]) || /^ {0,3}>/.test(lines[i]) ||
      kMathStart.test(lines[i]) || (/^\s{0,3}(?:[-*+]|1[.)])\s+\S/.test(lines[i])) || isTable(lines, i);

  function cells(line) {
    const out = [''];
    let code = false;
    for (const part of line.trim().replace(/^\|/, '').replace(/\|$/, '').match(/\\[\s\S]|[\s\S]/gu) ?? []) {
      if (part === '`') code = !code;
      if (part === '|' && !code) out.push('');
      else out[out.length - 1] += part === '\\|' ? '|' : part;
    }
    return out.map(cell => cell.trim());
  }

  // The text's blocks: [kind, lines].
  function split(text) {
    const lines = text.replace(/\r\n?/g, '\n').split('\n');
    const blocks = [];
    let i = 0;
    const take = (kind, to) => { blocks.push([kind, lines.slice(i, to)]); i = to; };
    while (i < lines.length) {
      if (!lines[i].trim()) { ++i; continue; }
      let end = i + 1;
      const fence = lines[i].match(kFence);
      const math = lines[i].match(kMathStart);
      if (fence) {
        while (end < lines.length && !(lines[end].trim().startsWith(fence[1]) && /^[`~]+$/.test(lines[end].trim()))) ++end;
        take('fence', Math.min(end + 1, lines.length));
      } else if (math) {
        const close = math[1] === '$$' ? '$$' : '\\]';
        let found = lines[i].indexOf(close, math[0].length) >= 0;
        if (!found) {
          while (end < lines.length && !lines[end].includes(close)) ++end;
          found = end < lines.length;
          if (found) ++end;
        }
        take(found ? 'paragraph' : 'open-math', end);
      } else if (kHeading.test(lines[i])) {
        take('heading', end);
      } else if (kRule.test(lines[i])) {
        take('rule', end);
      } else if (/^ {0,3}>/.test(lines[i])) {
        while (end < lines.length && lines[end].trim() && (/^ {0,3}>/.test(lines[end]) || !startsBlock(lines, end))) ++end;
        take('quote', end);
      } else if (isTable(lines, i)) {
        end = i + 2;
        while (end < lines.length && lines[end].trim() && lines[end].includes('|')) ++end;
        take('table', end);
      } else if (kItem.test(lines[i])) {
        const [, indent, bullet] = lines[i].match(kItem);
        const ordered = /\d/.test(bullet);
        const same = line => {
          const item = line.match(kItem);
          return item && item[1].length <= indent.length + 1 ? /\d/.test(item[2]) === ordered && !kRule.test(line) : null;
        };
        for (; end < lines.length; ++end) {
          const line = lines[end];
          if (!line.trim()) {
            let next = end + 1;
            while (next < lines.length && !lines[next].trim()) ++next;
            if (next >= lines.length || !(same(lines[next]) || /^\s{2,}/.test(lines[next]) && lines[next].search(/\S/) > indent.length)) break;
            continue;
          }
          if (line.search(/\S/) > indent.length + 1) continue;
          const kind = same(line);
          if (kind) continue;
          if (kind === false || startsBlock(lines, end) || !lines[end - 1].trim()) break;
        }
        take('list', end);
      } else {
        while (end < lines.length && lines[end].trim() && !startsBlock(lines, end)) ++end;
        take('paragraph', end);
      }
    }
    return blocks;
  }

  function block([kind, lines], depth) {
    switch (kind) {
      case 'fence': {
        const fence = lines[0].match(kFence);
        const closed = lines.length > 1 && lines.at(-1).trim().startsWith(fence[1]);
        const code = lines.slice(1, closed ? -1 : undefined).join('\n');
        const copy = h('button', {type: 'button', className: 'plain', textContent: 'Copy', onclick: () => copyText(code, copy)});
        return h('div', {className: 'fence'}, h('div', {}, h('span', {}, fence[2].trim()), copy), h('pre', {tabIndex: 0}, h('code', {}, code)));
      }
      case 'open-math': return h('p', {}, lines.join('\n'));
      case 'heading': {
        const [, marks, text] = lines[0].match(kHeading);
        return h('h' + marks.length, {}, ...inline(text.trim().replace(/(?<=\s)#+$/, '').trim(), depth));
      }
      case 'rule': return h('hr');
      case 'quote':
        return h('blockquote', {}, ...blocks(lines.map(line => line.replace(/^ {0,3}> ?/, '')).join('\n'), depth + 1));
      case 'table': {
        const aligns = cells(lines[1]).map(cell => cell.endsWith(':') ? (cell.startsWith(':') ? 'center' : 'right') : '');
        const row = (line, tag) => {
          const found = cells(line);
          return h('tr', {}, ...aligns.map((align, i) => {
            const cell = h(tag, {}, ...inline(found[i] ?? '', depth));
            cell.style.textAlign = align;
            return cell;
          }));
        };
        return h('div', {className: 'scroll', tabIndex: 0}, h('table', {}, h('thead', {}, row(lines[0], 'th')),
                                                  h('tbody', {}, ...lines.slice(2).map(line => row(line, 'td')))));
      }
      case 'list': return list(lines, depth);
      default: return h('p', {}, ...inline(lines.map(line => line.replace(/^\s+/, '')).join('\n'), depth));
    }
  }

  function list(lines, depth) {
    const [, indent, bullet] = lines[0].match(kItem);
    const ordered = /\d/.test(bullet);
    const items = [];
    let loose = false;
    for (const line of lines) {
      const item = line.match(kItem);
      if (item && item[1].length <= indent.length + 1) items.push({width: item[1].length + item[2].length + 1, lines: [item[4]]});
      else items.at(-1).lines.push(line.slice(Math.min(items.at(-1).width, Math.max(line.search(/\S/), 0))));
    }
    for (const item of items) loose ||= /\n\s*\n\s*\S/.test(item.lines.join('\n'));
    const node = h(ordered ? 'ol' : 'ul');
    if (ordered && parseInt(bullet) !== 1) node.start = parseInt(bullet);
    for (const item of items) {
      let text = item.lines.join('\n');
      const task = text.match(/^\[([ xX])\]\s+/);
      if (task) text = text.slice(task[0].length);
      const inner = blocks(text, depth + 1);
      if (!loose && inner[0]?.tagName === 'P') inner.splice(0, 1, ...inner[0].childNodes);
      node.append(h('li', {}, task ? (task[1] === ' ' ? '☐ ' : '☑ ') : null, ...inner));
    }
    return node;
  }

  function link(address, children) {
    let url = null;
    try { url = new URL(address); } catch { /* not an address */ }
    if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return null;
    return h('a', {href: url.href, target: '_blank', rel: 'noopener noreferrer nofollow', title: url.href}, ...children);
  }

  // Where the marker that ends what begins at `from` is, or -1.
  function closing(text, marker, from) {
    for (let at = from;;) {
      at = text.indexOf(marker, at);
      if (at < 0) return -1;
      const before = text[at - 1], after = text[at + marker.length] ?? '';
      if (before !== '\\' && !/\s/.test(before) && at > from &&
          (marker.length > 1 || (after !== marker && before !== marker)) && (marker[0] !== '_' || !/[\p{L}\p{N}]/u.test(after))) {
        return marker === '**' && after === '*' ? at + 1 : at;
      }
      ++at;
    }
  }

  function inline(text, depth) {
    if (depth > kMaxDepth) return [text];
    const out = [];
    let plain = '';
    const nowhere = new Set();  // Markers that nothing further on ends: looked for once.
    const flush = () => { if (plain) { out.push(plain); plain = ''; } };
    const put = node => { flush(); out.push(node); };
    const find = (marker, from) => {
      if (nowhere.has(marker)) return -1;
      const at = text.indexOf(marker, from);
      if (at < 0) nowhere.add(marker);
      return at;
    };
    for (let i = 0; i < text.length;) {
      const c = text[i], rest = () => text.slice(i, i + 2000);
      if (c === '\\') {
        const next = text[i + 1];
        if (next === '(' || next === '[') {
          const end = find(next === '(' ? '\\)' : '\\]', i + 2);
          if (end >= 0) { put(Formula(text.slice(i + 2, end), next === '[')); i = end + 2; continue; }
        }
        if (text.startsWith('\\boxed{', i)) {
          let level = 0, end = i + 6;
          for (; end < text.length; ++end) {
            if (text[end] === '{') ++level;
            if (text[end] === '}' && --level === 0) break;
          }
          if (end < text.length) { put(Formula(text.slice(i, end + 1), false)); i = end + 1; continue; }
        }
        if (next === '\n') { put(h('br')); i += 2; continue; }
        if (next && /[!-/:-@[-`{-~]/.test(next)) { plain += next; i += 2; continue; }
      } else if (c === '`') {
        const ticks = text.slice(i).match(/^`+/)[0];
        let end = find(ticks, i + ticks.length);
        while (end >= 0 && (text[end + ticks.length] === '`' || text[end - 1] === '`')) {
          while (text[end] === '`') ++end;
          end = text.indexOf(ticks, end);
        }
        if (end >= 0) {
          put(h('code', {}, text.slice(i + ticks.length, end).replace(/\n/g, ' ').replace(/^ (.*\S.*) $/, '$1')));
          i = end + ticks.length;
        } else {
          plain += ticks;
          i += ticks.length;
        }
        continue;
      } else if (c === '$') {
        if (text[i + 1] === '$') {
          const end = find('$$', i + 2);
          if (end > i + 2) { put(Formula(text.slice(i + 2, end), true)); i = end + 2; continue; }
        } else if (!/\s/.test(text[i + 1] ?? ' ') && !/[\p{L}\p{N}]/u.test(text[i - 1] ?? ' ')) {
          // Not two prices: the second sign must end something and not begin a number.
          const found = rest().match(/^\$((?:\\[\s\S]|[^$\\\n])*(?:\\[\s\S]|[^$\\\s]))\$(?![\d\p{L}])/u);
          if (found) { put(Formula(found[1], false)); i += found[0].length; continue; }
        }
      } else if (c === '*' || c === '_' || c === '~') {
        const marker = c === '~' ? '~~' : text.startsWith(c + c, i) ? c + c : c;
        // 2*3*4 is a product.
        const product = marker === '*' && /\d/.test(text[i - 1] ?? '') && /\d/.test(text[i + 1] ?? '');
        const opens = !product && text.startsWith(marker, i) && !/\s/.test(text[i + marker.length] ?? ' ') &&
            (c !== '_' || !/[\p{L}\p{N}]/u.test(text[i - 1] ?? ' '));
        const end = opens && !nowhere.has('close' + marker) ? closing(text, marker, i + marker.length) : -1;
        if (opens && end < 0) nowhere.add('close' + marker);
        if (end >= 0) {
          put(h(marker === '~~' ? 'del' : marker.length === 2 ? 'strong' : 'em', {}, ...inline(text.slice(i + marker.length, end), depth + 1)));
          i = end + marker.length;
        } else {
          plain += text.slice(i, i + marker.length);
          i += marker.length;
        }
        continue;
      } else if (c === '[' || (c === '!' && text[i + 1] === '[')) {
        // A picture is shown as a link to it: nothing is loaded from elsewhere.
        const found = rest().match(/^!?\[((?:\\.|\[[^[\]\\]*\]|[^[\]\\])*)\]\(\s*<?((?:[^\s()<>]|\([^\s()]*\))*)>?(?:\s+["'(][^\n]*?["')])?\s*\)/);
        const node = found ? link(found[2], inline(found[1] || found[2], depth + 1)) : null;
        if (node) { put(node); i += found[0].length; continue; }
      } else if (c === '<') {
        const found = rest().match(/^<(https?:\/\/[^\s<>]+)>/i);
        const node = found ? link(found[1], [found[1]]) : null;
        if (node) { put(node); i += found[0].length; continue; }
        const line = rest().match(/^<br\s*\/?>/i);
        if (line) { put(h('br')); i += line[0].length; continue; }
      } else if (c === 'h' && /^https?:\/\//.test(text.slice(i, i + 8)) && !/[\p{L}\p{N}]/u.test(text[i - 1] ?? ' ')) {
        const found = rest().match(/^https?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}*_]/);
        const node = found ? link(found[0], [found[0]]) : null;
        if (node) { put(node); i += found[0].length; continue; }
      } else if (c === '\n') {
        put(h('br'));
        ++i;
        continue;
      }
      plain += c;
      ++i;
    }
    flush();
    return out;
  }

  const blocks = (text, depth) => depth > kMaxDepth ? [text] : split(text).map(part => block(part, depth));

  // Shows the text in the node. Blocks that have not changed since the last time stay, so a stream costs what its last block does.
  return (text, node) => {
    const parts = split(text);
    parts.forEach((part, i) => {
      const key = part[0] + '\n' + part[1].join('\n');
      const old = node.children[i];
      if (old?.key === key) return;
      const made = block(part, 0);
      made.key = key;
      if (old) old.replaceWith(made);
      else node.append(made);
    });
    while (node.children.length > parts.length) node.lastElementChild.remove();
  };
})();

async function copyText(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Not allowed';
  }
  setTimeout(() => { button.textContent = label; }, 1200);
}
