// Settings.

const settings = {budget: 0, temperature: '', top_p: '', max_tokens: '', seed: '', keep: true, tools: ''};
try { Object.assign(settings, JSON.parse(localStorage.getItem('fulgur.settings') ?? '{}')); } catch { /* begin anew */ }
const saveSettings = () => localStorage.setItem('fulgur.settings', JSON.stringify(settings));

let budgets = [];
function setBudgets(limit) {
  budgets = [{tokens: null, text: 'default'}, {tokens: 0, text: 'none'},
             ...[64, 256, 1024, 4096, 16384, 40960, 81920].filter(n => n <= limit).map(n => ({tokens: n, text: number(n) + ' tokens'})),
             {tokens: -1, text: 'no limit'}];
  $('budget').max = budgets.length - 1;
  settings.budget = Math.min(settings.budget, budgets.length - 1);
  $('budget').value = settings.budget;
  showBudget();
}
function showBudget() {
  $('budget-text').textContent = budgets[settings.budget].text;
  $('budget').setAttribute('aria-valuetext', budgets[settings.budget].text);
}
$('budget').oninput = () => { settings.budget = Number($('budget').value); showBudget(); saveSettings(); };

$('open-settings').onclick = () => {
  for (const name of ['temperature', 'top_p', 'max_tokens', 'seed', 'tools']) $(name).value = settings[name];
  $('keep').checked = settings.keep;
  $('system').value = current.system ?? '';
  $('settings-key').value = key;
  $('tools-error').hidden = true;
  $('settings').showModal();
};
$('settings').querySelector('form').onsubmit = event => {
  try {
    if ($('tools').value.trim() && !Array.isArray(JSON.parse($('tools').value))) throw new Error('a list is wanted: [ ... ]');
  } catch (error) {
    event.preventDefault();
    $('tools-error').textContent = 'Tools: ' + error.message;
    $('tools-error').hidden = false;
    return;
  }
  for (const name of ['temperature', 'top_p', 'max_tokens', 'seed', 'tools']) settings[name] = $(name).value;
  settings.keep = $('keep').checked;
  saveSettings();
  setKey($('settings-key').value);
  if ((current.system ?? '') !== $('system').value) {
    current.system = $('system').value;
    if (current.messages.length) save(current);
  }
};

const kThemes = {auto: ['◐', 'as the system has it'], light: ['☀', 'light'], dark: ['☾', 'dark']};
const dark = matchMedia('(prefers-color-scheme: dark)');
function showTheme() {
  const theme = localStorage.getItem('fulgur.theme') ?? 'auto';
  document.documentElement.dataset.theme = theme === 'auto' ? (dark.matches ? 'dark' : 'light') : theme;
  const [sign, name] = kThemes[theme] ?? kThemes.auto;
  $('theme').textContent = sign;
  $('theme').title = 'Colours: ' + name;
  $('theme').setAttribute('aria-label', 'Colours: ' + name);
}
$('theme').onclick = () => {
  const names = Object.keys(kThemes);
  localStorage.setItem('fulgur.theme', names[(names.indexOf(localStorage.getItem('fulgur.theme') ?? 'auto') + 1) % names.length]);
  showTheme();
};
dark.onchange = showTheme;

function menu(shown) {
  $('side').classList.toggle('shown', shown);
  $('menu').setAttribute('aria-expanded', shown);
}
$('menu').onclick = event => { event.stopPropagation(); menu(!$('side').classList.contains('shown')); };
document.addEventListener('click', event => { if (!$('side').contains(event.target) && event.target.isConnected) menu(false); });
$('new').onclick = () => open(fresh());

function view(name) {
  $('chat').hidden = name !== 'chat';
  $('side').hidden = name !== 'chat';
  $('menu').hidden = name !== 'chat';
  $('server').hidden = name !== 'server';
  $('to-chat').setAttribute('aria-pressed', name === 'chat');
  $('to-server').setAttribute('aria-pressed', name === 'server');
  if (name === 'server') wake?.();
}
$('to-chat').onclick = () => view('chat');
$('to-server').onclick = () => view('server');
