// Conversations to files and back.

function download(name, value) {
  const blob = new Blob([JSON.stringify(value, null, 2)], {type: 'application/json'});
  const anchor = h('a', {href: URL.createObjectURL(blob), download: (name || 'conversation').replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 60) + '.json'});
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
}

const kRoles = ['system', 'developer', 'user', 'assistant', 'tool'];

// A message as this page keeps it, from one that it exported or one in the shape of OpenAI's API. Throws with what is wrong.
function readMessage(given, where) {
  const wrong = what => { throw new Error(`${where}: ${what}`); };
  if (given === null || typeof given !== 'object' || Array.isArray(given)) wrong('must be an object with "role" and "content"');
  if (!kRoles.includes(given.role)) wrong(`"role" must be one of ${kRoles.join(', ')}, not ${JSON.stringify(given.role)}`);
  let content = given.content;
  if (Array.isArray(content)) {
    content = content.map((part, i) => {
      if (typeof part === 'string') return part;
      if (typeof part?.text !== 'string') wrong(`part ${i + 1} of "content" is no text; this page takes text only`);
      return part.text;
    }).join('');
  }
  if (content === null || content === undefined) {
    if (given.role !== 'assistant') wrong('has no "content"');
    content = '';
  }
  if (typeof content !== 'string') wrong(`"content" must be a text, not ${JSON.stringify(content)}`);
  const message = {role: given.role, content};
  if (given.role === 'assistant') {
    const reasoning = given.reasoning ?? given.reasoning_content ?? '';
    if (typeof reasoning !== 'string') wrong('"reasoning" must be a text');
    message.reasoning = reasoning;
    message.ended = typeof given.ended === 'string' ? given.ended : 'stop';
    for (const name of ['rate', 'written', 'limit', 'thinkingTokens', 'thinkingSeconds']) {
      if (Number.isFinite(given[name])) message[name] = given[name];
    }
    if (given.thinkingCut === true) message.thinkingCut = true;
    if (typeof given.error === 'string') message.error = given.error;
    const usage = given.usage;
    if ([usage?.prompt_tokens, usage?.completion_tokens, usage?.total_tokens].every(Number.isFinite)) message.usage = usage;
    if (given.tool_calls?.length) {
      if (!Array.isArray(given.tool_calls)) wrong('"tool_calls" must be a list');
      message.tool_calls = given.tool_calls.map((entry, i) => {
        const {name, arguments: args} = entry?.function ?? {};
        if (typeof name !== 'string') wrong(`call ${i + 1} has no function with a name`);
        return {id: String(entry.id ?? ''), type: 'function', function: {name, arguments: typeof args === 'string' ? args : JSON.stringify(args ?? {})}};
      });
    }
  }
  if (given.role === 'tool') {
    message.tool_call_id = String(given.tool_call_id ?? '');
    message.name = String(given.name ?? '');
  }
  if (Array.isArray(given.documents)) {
    message.documents = given.documents.map(({name, text}) => ({name: String(name), text: String(text)}));
  }
  // Other versions of it, and what followed them.
  for (const name of ['before', 'after', 'tail']) {
    if (Array.isArray(given[name]) && given[name].length) {
      message[name] = given[name].map((other, i) => readMessage(other, `${where}, ${i + 1} of "${name}"`));
    }
  }
  return message;
}

function readConversation(given, where) {
  if (!Array.isArray(given?.messages) || given.messages.length === 0) throw new Error(`${where}: has no list of "messages"`);
  const messages = given.messages.map((message, i) => readMessage(message, `${where}, message ${i + 1}`));
  const conversation = {...fresh(), messages};
  conversation.system = messages.filter(message => ['system', 'developer'].includes(message.role)).map(message => message.content).join('\n\n');
  conversation.messages = messages.filter(message => !['system', 'developer'].includes(message.role));
  if (typeof given.system === 'string' && given.system) conversation.system = given.system;
  if (typeof given.id === 'string' && given.id) conversation.id = given.id;
  if (Number.isFinite(given.changed)) conversation.changed = given.changed;
  conversation.title = typeof given.title === 'string' ? given.title : '';
  conversation.title ||= titleOf(conversation);
  return conversation;
}

// The conversations of a file: one, a list of them, or JSON lines with one each.
function readConversations(text, name) {
  let found;
  try {
    found = JSON.parse(text);
  } catch (whole) {
    const lines = text.split('\n').map((line, i) => [line, i + 1]).filter(([line]) => line.trim());
    if (lines.length < 2 || !/^\s*\{.*\}\s*$/.test(lines[0][0])) throw new Error(`${name} is not JSON: ${whole.message}`);
    return lines.map(([line, n]) => {
      let value;
      try { value = JSON.parse(line); } catch (error) { throw new Error(`${name}, line ${n} is not JSON: ${error.message}`); }
      return readConversation(value, `${name}, line ${n}`);
    });
  }
  if (!Array.isArray(found)) return [readConversation(found, name)];
  return found.map((value, i) => readConversation(value, `${name}, conversation ${i + 1}`));
}

// All of a file or nothing. One that is here already is left out; another with the same id gets an id of its own.
async function importFiles(files) {
  let added = 0, known = 0;
  for (const file of files) {
    let found;
    try {
      found = readConversations(await file.text(), file.name);
    } catch (error) {
      say(`Nothing of this file was imported. ${error.message}`);
      return;
    }
    for (const conversation of found) {
      const same = conversations.find(other => other.id === conversation.id);
      const read = JSON.stringify(same?.messages.map(message => readMessage(message, '')));
      if (read === JSON.stringify(conversation.messages)) {
        ++known;
        continue;
      }
      if (same) conversation.id = newId();
      if (!store(conversation)) {
        say(`The browser has no room for more: ${added} of ${found.length} conversations of ${file.name} were imported.`);
        showList();
        return;
      }
      conversations.push(conversation);
      ++added;
    }
  }
  conversations.sort((a, b) => b.changed - a.changed);
  say(`${added} conversation${added === 1 ? '' : 's'} imported` + (known ? `, ${known} ${known === 1 ? 'was' : 'were'} here already` : ''));
  showList();
}

$('export').onclick = () => download(current.title, current);
$('export-all').onclick = () => conversations.length ? download('fulgur conversations', conversations) : say('There are no conversations yet.');
$('import').onclick = () => $('import-file').click();
$('import-file').onchange = () => { importFiles([...$('import-file').files]); $('import-file').value = ''; };
