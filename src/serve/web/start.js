// Start.

async function start() {
  ready = false;
  try {
    const health = await (await fetch('/health')).json();
    context = health.max_context ?? 0;
    modelName = health.model ?? '';
  } catch {
    $('model').textContent = 'The server does not answer';
    lookForServer();
    return;
  }
  $('model').textContent = modelName;
  document.title = `${modelName} · Fulgur`;
  setBudgets(context || Infinity);
  showGauge();
  try {
    const found = (await (await call('/v1/models')).json()).data[0];
    setBudgets(Math.min(context || Infinity, found.max_thinking_budget ?? Infinity));
    examples = (await (await call('/examples')).json()).data;
    if (current.messages.length === 0) showLog();
    ready = true;
    wake?.();
  } catch (failure) {
    say(failure.message);
  }
}

$('base').textContent = location.origin + '/v1';
$('origin').textContent = location.origin;
setBudgets(Infinity);
showTheme();
open(current);
start();
watch();
