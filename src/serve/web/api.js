// The server.

let key = sessionStorage.getItem('fulgur.key') ?? '';
const setKey = value => {
  key = value.trim();
  if (key) sessionStorage.setItem('fulgur.key', key);
  else sessionStorage.removeItem('fulgur.key');
};

let asking = null;
function askKey() {
  asking ??= new Promise(resolve => {
    const dialog = $('ask-key');
    $('key').value = '';
    dialog.returnValue = '';
    dialog.showModal();
    dialog.onclose = () => {
      asking = null;
      if (dialog.returnValue === 'ok') setKey($('key').value);
      resolve(dialog.returnValue === 'ok');
    };
  });
  return asking;
}
$('no-key').onclick = () => $('ask-key').close('');

// ---- a server that does not answer

const kLost = `The server at ${location.origin} does not answer. Is "fulgur serve" still running there?`;
let lost = null;  // while it does not answer: the timer of the next look
let looking = false;

// Looks whether the server is there. While it is not, a notice says so, and the page looks again by itself.
async function lookForServer() {
  if (looking) return;
  looking = true;
  clearTimeout(lost);
  const there = await fetch('/health').then(() => true, () => false);
  looking = false;
  if (!there) {
    lost = setTimeout(lookForServer, 2000);
    $('lost-text').textContent = `${kLost} Start it again; this page goes on by itself as soon as it is there.`;
    $('lost').hidden = false;
  } else if (lost !== null) {
    lost = null;
    $('lost').hidden = true;
    start();
  }
}
$('try-now').onclick = lookForServer;

// fetch with the key; a 401 asks for one and tries again.
async function call(path, options = {}) {
  for (;;) {
    const headers = {...options.headers};
    if (options.body) headers['Content-Type'] = 'application/json';
    if (key) headers.Authorization = 'Bearer ' + key;
    let reply;
    try {
      reply = await fetch(path, {...options, headers});
    } catch (failure) {
      if (failure.name === 'AbortError') throw failure;
      lookForServer();
      throw new Error(`${kLost} Start it again, then press "Try again".`);
    }
    if (reply.status === 401 && await askKey()) continue;
    if (reply.ok) return reply;
    let message = reply.status + ' ' + reply.statusText;
    try { message = (await reply.json()).error.message ?? message; } catch { /* the status has to do */ }
    throw new Error(message);
  }
}

let context = 0, modelName = '';
let examples = [];  // questions that suit the model: {task, about, prompt}
const number = n => Math.round(n).toLocaleString('en');
