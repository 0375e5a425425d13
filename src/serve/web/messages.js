// Messages.

const fullText = message => [...(message.documents ?? []).map(d => `Document "${d.name}":\n\n${d.text}\n\nEnd of the document.\n\n`), message.content].join('');

function requestMessages(conversation) {
  const out = conversation.system ? [{role: 'system', content: conversation.system}] : [];
  for (const message of conversation.messages) {
    if (message.role === 'user') {
      out.push({role: 'user', content: fullText(message)});
    } else if (message.role === 'tool') {
      out.push({role: 'tool', tool_call_id: message.tool_call_id, name: message.name, content: message.content});
    } else if (message.content || message.reasoning || message.tool_calls?.length) {
      const entry = {role: 'assistant', content: message.content};
      if (settings.keep && message.reasoning) entry.reasoning_content = message.reasoning;
      if (message.tool_calls?.length) entry.tool_calls = message.tool_calls;
      out.push(entry);
    }
  }
  return out;
}

const atEnd = () => $('log').scrollHeight - $('log').scrollTop - $('log').clientHeight < 60;
const toEnd = () => { $('log').scrollTop = $('log').scrollHeight; };

function showLog() {
  const log = $('log');
  log.replaceChildren(...current.messages.map((message, i) => messageNode(message, i)));
  if (current.messages.length === 0) {
    log.replaceChildren(h('div', {className: 'empty'}, h('h2', {}, 'What shall we think about?'),
                 h('p', {className: 'keys'}, 'Enter sends, Shift+Enter begins a new line, Esc stops. Drop or paste long documents here.'), starters()));
    log.scrollTop = 0;
  } else {
    toEnd();
  }
}

// Four questions that suit the model, each of another kind if there are as many.
let firstStarter = 0;
function starters() {
  if (examples.length === 0) return null;
  const kinds = [...new Set(examples.map(example => example.task))];
  const cards = h('div', {id: 'starters'});
  const show = () => {
    const shown = Array.from({length: Math.min(4, examples.length)}, (_, i) => examples[(firstStarter + i) % examples.length]);
    cards.replaceChildren(...shown.map(example => h('button', {type: 'button', title: example.about, onclick: () => {
      if (running) return;
      current.messages.push({role: 'user', content: example.prompt});
      generate();
    }}, h('b', {}, example.task), h('span', {}, example.prompt))));
  };
  show();
  const others = h('button', {type: 'button', className: 'plain', textContent: 'Others', hidden: examples.length <= 4,
                              onclick: () => { firstStarter = (firstStarter + 4) % examples.length; show(); }});
  return h('div', {}, h('p', {}, `${modelName} was trained on these kinds of problems: ${kinds.join(', ')}. Try one:`), cards, others);
}

// ---- versions of a message

// Another version in the message's place. The old one keeps what followed it, and comes back with that.
function addVersion(index, message) {
  const {before = [], after = [], ...old} = current.messages[index];
  const tail = current.messages.slice(index + 1);
  if (tail.length) old.tail = tail;
  message.before = [...before, old, ...after];
  current.messages.length = index;
  current.messages.push(message);
}

function switchVersion(index, step) {
  const {before = [], after = [], ...old} = current.messages[index];
  const tail = current.messages.slice(index + 1);
  if (tail.length) old.tail = tail;
  const from = step < 0 ? before : after;
  if (running || from.length === 0) return;
  const {tail: followed = [], ...next} = step < 0 ? from.at(-1) : from[0];
  next.before = step < 0 ? before.slice(0, -1) : [...before, old];
  next.after = step < 0 ? [old, ...after] : after.slice(1);
  current.messages.length = index;
  current.messages.push(next, ...followed);
  save(current);
  const top = $('log').scrollTop;
  showLog();
  $('log').scrollTop = top;
  showGauge();
  showList();
}

function versionButtons(message, index) {
  const before = message.before?.length ?? 0, after = message.after?.length ?? 0;
  if (before + after === 0) return null;
  const step = (by, text, label) => h('button', {type: 'button', className: 'plain', textContent: text, 'aria-label': label,
                                                 disabled: running !== null || (by < 0 ? before : after) === 0, onclick: () => switchVersion(index, by)});
  return h('span', {className: 'versions'}, step(-1, '‹', 'Earlier version'), `${before + 1} of ${before + after + 1}`, step(1, '›', 'Later version'));
}

function messageNode(message, index) {
  const node = h('article', {className: 'message ' + message.role, 'aria-label': {user: 'You', assistant: 'Model', tool: 'Tool'}[message.role]});
  if (message.role === 'user') {
    for (const document of message.documents ?? []) {
      node.append(h('details', {className: 'document'}, h('summary', {}, `${document.name}, ${number(document.text.length)} characters`), h('pre', {}, document.text)));
    }
    const body = h('div', {className: 'body'}, message.content);
    const edit = () => {
      const field = h('textarea', {value: message.content, 'aria-label': 'Edit the message'});
      const done = () => {
        if (running) return;
        const {before, after, ...asked} = message;
        addVersion(index, {...asked, content: field.value});
        generate();
      };
      field.onkeydown = event => {
        if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); done(); }
        if (event.key === 'Escape') { event.stopPropagation(); showLog(); }
      };
      body.replaceWith(field);
      tools.replaceChildren(h('button', {type: 'button', className: 'plain', textContent: 'Send', onclick: done}),
                            h('button', {type: 'button', className: 'plain', textContent: 'Cancel', onclick: showLog}));
      field.focus();
    };
    const tools = h('div', {className: 'tools'});
    tools.append(...[versionButtons(message, index), h('button', {type: 'button', className: 'plain', textContent: 'Edit', disabled: running !== null, onclick: edit})].filter(Boolean));
    if (message.content) node.append(body);
    node.append(tools);
  } else if (message.role === 'tool') {
    node.append(h('div', {className: 'card'}, h('h3', {}, 'Result of ' + message.name), h('pre', {}, message.content)));
  } else {
    const think = h('div', {className: 'md'});
    const summary = h('summary');
    const fold = h('details', {className: 'thinking', hidden: true}, summary, think);
    const endNow = h('button', {type: 'button', className: 'plain end-thinking', textContent: 'End thinking now', hidden: true});
    const body = h('div', {className: 'md answer'});
    const calls = h('div');
    const note = h('div', {className: 'note', hidden: true});
    const error = h('div', {className: 'error', hidden: true, role: 'alert'});
    const tools = h('div', {className: 'tools'});
    node.append(fold, endNow, body, calls, note, error, tools);
    node.update = () => updateAnswer(message, index, {fold, summary, think, endNow, body, calls, note, error, tools});
    fold.ontoggle = () => node.update();
    node.update();
  }
  return node;
}

function updateAnswer(message, index, parts) {
  const live = running?.message === message;
  const {fold, summary, think, endNow, body, calls, note, error, tools} = parts;
  const thinking = live && !message.content && !message.tool_calls?.length;
  fold.hidden = !message.reasoning;
  if (message.reasoning) {
    const count = message.thinkingTokens ?? 0;
    const seconds = message.thinkingSeconds;
    summary.textContent = (thinking ? 'Thinking' : 'Thought') + `: ${live && !message.exact ? 'about ' : ''}${number(count)} tokens` +
        (seconds >= .05 ? ` in ${seconds < 10 ? seconds.toFixed(1) : number(seconds)} s` : '') + (message.thinkingCut ? ', ended early' : '');
    // A closed fold is filled when it is opened.
    if (fold.open) {
      const follow = think.scrollHeight - think.scrollTop - think.clientHeight < 40;
      Markdown(message.reasoning, think);
      if (thinking && follow) think.scrollTop = think.scrollHeight;
    }
  }
  endNow.hidden = !(thinking && message.reasoning && running.id);
  endNow.onclick = async () => {
    endNow.disabled = true;
    try {
      await call(`/v1/requests/${encodeURIComponent(running.id)}/end_thinking`, {method: 'POST'});
    } catch (failure) {
      endNow.disabled = false;
      say(failure.message);
    }
  };
  Markdown(message.content, body);
  body.classList.toggle('wait', thinking && !message.reasoning);
  const last = index === current.messages.length - 1;
  if (calls.shown !== JSON.stringify([message.tool_calls, live, last])) {
    calls.shown = JSON.stringify([message.tool_calls, live, last]);
    const fields = [];
    calls.replaceChildren(...(message.tool_calls ?? []).map(entry => {
      let args = entry.function.arguments;
      try { args = JSON.stringify(JSON.parse(args), null, 2); } catch { /* not finished, or not JSON: as it is */ }
      const card = h('div', {className: 'card'}, h('h3', {}, 'Call of ' + entry.function.name), h('pre', {}, args));
      if (!live && last) {
        const field = h('textarea', {spellcheck: false});
        fields.push([entry, field]);
        card.append(h('label', {}, 'Its result', field));
      }
      return card;
    }));
    if (fields.length) {
      calls.append(h('button', {type: 'button', textContent: fields.length > 1 ? 'Send results' : 'Send result', onclick: () => {
        if (running) return;
        for (const [entry, field] of fields) {
          current.messages.push({role: 'tool', tool_call_id: entry.id, name: entry.function.name, content: field.value});
        }
        generate();
      }}));
    }
  }
  note.textContent = live || message.content.trim() || message.tool_calls?.length || message.error ? '' : whyEmpty(message);
  note.hidden = !note.textContent;
  error.hidden = !message.error;
  error.textContent = message.error ?? '';
  if (live) { tools.replaceChildren(); return; }
  const facts = [];
  const written = message.usage?.completion_tokens ?? message.written;
  if (written) facts.push(`${number(written)} tokens`);
  if (message.rate) facts.push(`${message.rate < 10 ? message.rate.toFixed(1) : number(message.rate)} tokens/s`);
  const cached = message.usage?.prompt_tokens_details?.cached_tokens;
  if (message.usage) facts.push(`prompt ${number(message.usage.prompt_tokens)}${cached ? `, ${number(cached)} cached` : ''}`);
  if (message.ended && !['stop', 'tool_calls'].includes(message.ended)) facts.push('ended by ' + (kEnds[message.ended] ?? message.ended.replaceAll('_', ' ')));
  const copy = h('button', {type: 'button', className: 'plain', textContent: 'Copy', hidden: !message.content, onclick: () => copyText(message.content, copy)});
  const again = h('button', {type: 'button', className: 'plain', textContent: message.error ? 'Try again' : 'Regenerate', disabled: running !== null, onclick: () => {
    if (running) return;
    const fresh = newAnswer();
    // What failed before it had a word is no version to come back to.
    if (message.error && !message.content && !message.reasoning) {
      if (message.before) fresh.before = message.before;
      current.messages.length = index;
      current.messages.push(fresh);
    } else {
      addVersion(index, fresh);
    }
    generate(fresh);
  }});
  tools.replaceChildren(...[versionButtons(message, index), h('span', {className: 'facts'}, facts.join(' · ')), copy, again].filter(Boolean));
}

const kEnds = {length: 'its length', early_truncation: 'endless repetition', deadline: 'the time limit', cancelled: 'the server', stop_string: 'a stop text'};

// What an answer without text says, and what to do about it.
function whyEmpty(message) {
  const thought = message.reasoning ? ' Its thinking is above.' : '';
  switch (message.ended) {
    case 'you': return `You stopped it before the answer began.${thought}`;
    case 'length': {
      const used = message.reasoning ? 'were used up by the thinking before the answer began' : 'were used up before a word was written';
      if (context && message.usage?.total_tokens >= context) {
        return `The ${number(context)} tokens of context ${used}.${thought} Set a thinking budget below, or begin a new conversation.`;
      }
      return `The ${number(message.limit ?? message.usage?.completion_tokens ?? 0)} tokens that an answer may have ${used}.${thought} ` +
          (message.limit ? 'Raise "Most tokens" in Settings, or set a thinking budget below.' : 'Set a thinking budget below.');
    }
    case 'early_truncation': return `The model repeated itself without end and was cut off before the answer.${thought} Regenerate it, or ask in other words.`;
    case 'deadline': return `The time limit was over before the answer began.${thought}`;
    case 'cancelled': return `The request was ended on the server before the answer began.${thought}`;
    case undefined: return `This answer was not finished: the page was closed while it came.${thought} Regenerate it.`;
    default: return message.reasoning ? `The model only thought, and ended without an answer.${thought}` : 'The model ended at once, without a word.';
  }
}
