// Writing.

const kLongPaste = 4000;
let documents = [];

async function addDocument(name, text) {
  const document = {name, text};
  documents.push(document);
  showChips();
  try {
    document.tokens = (await (await call('/tokenize', {method: 'POST', body: JSON.stringify({prompt: text, parse_special: false})})).json()).count;
    showChips();
    showGauge();
  } catch { /* its size in characters has to do */ }
}

function showChips() {
  $('chips').replaceChildren(...documents.map(document =>
      h('span', {}, `${document.name} · ${document.tokens === undefined ? number(document.text.length) + ' characters' : number(document.tokens) + ' tokens'}`,
        h('button', {type: 'button', textContent: '×', 'aria-label': 'Remove ' + document.name, onclick: () => {
          documents = documents.filter(other => other !== document);
          showChips();
          showGauge();
        }}))));
}

function showGauge() {
  const used = current.messages.findLast(message => message.usage)?.usage.total_tokens ?? 0;
  const total = used + documents.reduce((sum, document) => sum + (document.tokens ?? 0), 0);
  $('meter').max = context || 1;
  $('meter').low = .7 * context;
  $('meter').high = .9 * context;
  $('meter').value = total;
  // As wide as it can get, so that nothing beside it moves.
  $('gauge-text').style.minWidth = context ? `${2 * number(context).length + 3}ch` : '';
  $('gauge-text').textContent = context ? `${number(total)} of ${number(context)}` : '';
}

async function addFiles(files) {
  for (const file of files) {
    const text = await file.text();
    if (text.includes('\u0000')) say(`${file.name} is not a text file`);
    else await addDocument(file.name, text);
  }
}

function grow() {
  const text = $('text');
  text.style.height = 'auto';
  text.style.height = text.scrollHeight + 2 + 'px';
}

$('text').oninput = grow;
$('text').onkeydown = event => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $('write').requestSubmit();
  }
};
$('text').onpaste = event => {
  const files = [...event.clipboardData.files];
  const text = event.clipboardData.getData('text/plain');
  if (text.length >= kLongPaste) {
    event.preventDefault();
    addDocument(`Pasted text ${documents.length + 1}`, text);
  } else if (!text && files.length) {
    event.preventDefault();
    addFiles(files);
  }
};
$('write').onsubmit = event => {
  event.preventDefault();
  const content = $('text').value.trim();
  if (running || (!content && documents.length === 0)) return;
  const message = {role: 'user', content};
  if (documents.length) message.documents = documents.map(({name, text}) => ({name, text}));
  current.messages.push(message);
  documents = [];
  $('text').value = '';
  grow();
  showChips();
  generate();
};
$('attach').onclick = () => $('file').click();
$('file').onchange = () => { addFiles([...$('file').files]); $('file').value = ''; };
$('stop').onclick = stop;
document.addEventListener('dragover', event => { event.preventDefault(); $('write').classList.add('over'); });
document.addEventListener('dragleave', event => { if (!event.relatedTarget) $('write').classList.remove('over'); });
document.addEventListener('drop', event => {
  event.preventDefault();
  $('write').classList.remove('over');
  if (event.dataTransfer.files.length) addFiles([...event.dataTransfer.files]);
  else {
    const text = event.dataTransfer.getData('text/plain');
    if (text.length >= kLongPaste) addDocument('Dropped text', text);
    else if (text) { $('text').setRangeText(text, $('text').selectionStart, $('text').selectionEnd, 'end'); grow(); $('text').focus(); }
  }
});
document.addEventListener('keydown', event => {
  if (event.key !== 'Escape' || document.querySelector('dialog[open]')) return;
  if ($('side').classList.contains('shown')) menu(false);
  else stop();
});
