// Conversations.

const kPrefix = 'fulgur.conversation.';
const load = () => {
  const all = [];
  for (let i = 0; i < localStorage.length; ++i) {
    const name = localStorage.key(i);
    if (!name.startsWith(kPrefix)) continue;
    try {
      const found = JSON.parse(localStorage.getItem(name));
      if (Array.isArray(found?.messages)) all.push(found);
    } catch { /* not ours */ }
  }
  return all.sort((a, b) => b.changed - a.changed);
};
let conversations = load();
const newId = () => Date.now().toString(36) + Math.random().toString(36).slice(2, 8);
const fresh = () => ({id: newId(), title: '', changed: Date.now(), system: '', messages: []});
let current = conversations[0] ?? fresh();
let running = null;  // {conversation, controller, message, ...} of the answer that is being written

function save(conversation) {
  conversation.changed = Date.now();
  if (!conversations.includes(conversation)) conversations.unshift(conversation);
  return store(conversation);
}

// False if the browser has no room for it.
function store(conversation) {
  try {
    localStorage.setItem(kPrefix + conversation.id, JSON.stringify(conversation));
    return true;
  } catch {
    say('The browser has no room for this conversation: it is lost when the page is closed. Export it to keep it.');
    return false;
  }
}

// A notice over the composer. It goes by itself, later if it is long.
let said = null;
function say(text) {
  clearTimeout(said);
  $('status').textContent = text;
  $('notice-text').textContent = text;
  $('notice').hidden = !text;
  said = setTimeout(() => { $('notice').hidden = true; }, 4000 + 60 * text.length);
}
$('notice-close').onclick = () => { $('notice').hidden = true; };

// ---- search

const fold = text => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
const textOf = message => [message.content, message.reasoning, ...(message.documents ?? []).flatMap(d => [d.name, d.text])].filter(Boolean).join('\n');
const folded = new WeakMap();  // of a conversation: {changed, count, texts}, its title and messages as they are searched

function foldedTexts(conversation) {
  const old = folded.get(conversation);
  if (old && old.changed === conversation.changed && old.title === conversation.title) return old.texts;
  const texts = [conversation.title, ...conversation.messages.map(textOf)].map(fold);
  folded.set(conversation, {changed: conversation.changed, title: conversation.title, texts});
  return texts;
}

// Where all of the words occur in the conversation: {index, word}, the message with the most of them (-1: the title does)
// and one that it has; null if one of the words is nowhere.
function find(conversation, words) {
  const texts = foldedTexts(conversation);
  if (!words.every(word => texts.some(text => text.includes(word)))) return null;
  const counts = texts.map(text => words.filter(word => text.includes(word)).length);
  const best = counts.indexOf(Math.max(...counts));
  return {index: best - 1, word: words.find(word => texts[best].includes(word))};
}

// What stands around a word of a text, with the word marked.
function snippet(text, word) {
  const characters = [...text.replace(/\s+/g, ' ')];
  let plain = '';
  const starts = characters.map(c => { const at = plain.length; plain += fold(c); return at; });
  const at = plain.indexOf(word);
  if (at < 0) return [characters.slice(0, 60).join('')];
  const from = starts.findLastIndex(start => start <= at);
  let to = starts.findIndex(start => start >= at + word.length);
  if (to < 0) to = characters.length;
  const begin = Math.max(0, from - 16);
  return [(begin ? '…' : '') + characters.slice(begin, from).join(''), h('mark', {}, characters.slice(from, to).join('')),
          characters.slice(to, to + 60).join('')];
}

$('search').oninput = () => showList();
$('search').onkeydown = event => {
  if (event.key !== 'Escape' || !$('search').value) return;
  event.stopPropagation();
  $('search').value = '';
  showList();
};
document.addEventListener('keydown', event => {
  if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
  event.preventDefault();
  view('chat');
  if (getComputedStyle($('menu')).display !== 'none') menu(true);
  $('search').focus();
  $('search').select();
});

function icon(shape) {
  const kNs = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(kNs, 'svg'), path = document.createElementNS(kNs, 'path');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', shape);
  svg.append(path);
  return svg;
}
const kPencil = 'M2 14l.8-3.4L11 2.4l2.6 2.6-8.2 8.2zM9.4 4l2.6 2.6', kBin = 'M2.5 4h11M6 4V2.5h4V4M4 4l.7 9.5h6.6L12 4M6.7 6.5v4.5M9.3 6.5v4.5';

function showList() {
  const words = fold($('search').value).split(/\s+/).filter(Boolean);
  const shown = conversations.map(conversation => ({conversation, hit: words.length ? find(conversation, words) : undefined}))
      .filter(({hit}) => hit !== null);
  $('found').hidden = words.length === 0;
  $('found').textContent = shown.length === 1 ? '1 conversation' : `${shown.length || 'no'} conversations`;
  $('list').replaceChildren(...shown.map(({conversation, hit}) => {
    const name = conversation.title || 'New conversation';
    const item = h('li', {className: conversation === current ? 'now' : ''});
    const rename = () => {
      const field = h('input', {value: name, 'aria-label': 'Name of the conversation'});
      const done = keep => {
        field.onblur = null;
        if (keep && field.value.trim()) { conversation.title = field.value.trim(); save(conversation); }
        showList();
      };
      field.onkeydown = event => {
        if (event.key === 'Enter') done(true);
        if (event.key === 'Escape') { event.stopPropagation(); done(false); }
      };
      field.onblur = () => done(true);
      item.replaceChildren(field);
      field.select();
      field.focus();
    };
    const remove = () => {
      if (!confirm(`Delete "${name}"?`)) return;
      if (running?.conversation === conversation) stop();
      localStorage.removeItem(kPrefix + conversation.id);
      conversations = conversations.filter(other => other !== conversation);
      if (conversation === current) open(conversations[0] ?? fresh());
      else showList();
    };
    const found = hit && hit.index >= 0 ? h('small', {}, ...snippet(textOf(conversation.messages[hit.index]), hit.word)) : null;
    item.append(h('button', {type: 'button', className: 'open', title: name, 'aria-current': conversation === current,
                             onclick: () => open(conversation, hit?.index), ondblclick: rename}, name, found),
                h('button', {type: 'button', className: 'act', title: 'Rename', 'aria-label': 'Rename ' + name, onclick: rename}, icon(kPencil)),
                h('button', {type: 'button', className: 'act', title: 'Delete', 'aria-label': 'Delete ' + name, onclick: remove}, icon(kBin)));
    return item;
  }));
}

// at: the message to show; without it the end.
function open(conversation, at = -1) {
  current = conversation;
  documents = [];
  menu(false);
  showList();
  showChips();
  showLog();
  showGauge();
  view('chat');
  const message = at >= 0 ? $('log').children[at] : null;
  if (message) {
    message.classList.add('found');
    message.scrollIntoView({block: 'start'});
  } else {
    $('text').focus();
  }
}
