// The server's state.

const kHistory = 300, kShortest = 10, kGap = 15;  // seconds
const history_ = [];

// Samples of Prometheus's text: [{name, labels, value}].
function samples(text) {
  const out = [];
  for (const line of text.split('\n')) {
    const found = line.match(/^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/);
    if (found) out.push({name: found[1], labels: found[2] ?? '', value: Number(found[3])});
  }
  return out;
}

const bytes = n => {
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (n < 1024) return (n < 10 && unit !== 'B' ? n.toFixed(1) : Math.round(n)) + ' ' + unit;
    n /= 1024;
  }
  return n.toFixed(1) + ' TiB';
};
const time = s => s < 1 ? (s * 1000).toFixed(s < .01 ? 1 : 0) + ' ms' : s < 90 ? s.toFixed(1) + ' s' : s < 5400 ? Math.round(s / 60) + ' min' : (s / 3600).toFixed(1) + ' h';
const percent = x => (100 * x).toFixed(x < .1 ? 1 : 0) + ' %';
const short = n => n >= 1e6 ? (n / 1e6).toFixed(1) + ' M' : n >= 1e4 ? Math.round(n / 1e3) + ' k' : n < 10 && n % 1 ? n.toFixed(1) : number(n);

const kCharts = [
  {title: 'Speed, tokens/s', show: short, series: [['written', '--accent', p => p.outputRate], ['prompt', '--second', p => p.prefillRate]]},
  {title: 'Sequences', show: short, series: [['in the batch', '--accent', p => p.running], ['waiting', '--second', p => p.queued]]},
  {title: 'Prompt tokens from the cache', show: percent, top: 1, series: [['of each second', '--accent', p => p.hitRate], ['since the start', '--second', p => p.hitTotal]]},
  {title: 'Memory', show: bytes, series: [['prefix cache', '--accent', p => p.cacheBytes], ['running sequences', '--second', p => p.runningBytes]]},
];

function chart({title, show, series, top}) {
  const kNs = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(kNs, 'svg');
  svg.setAttribute('viewBox', `0 0 ${kHistory} 100`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('role', 'img');
  const put = (tag, attributes) => {
    const node = document.createElementNS(kNs, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    svg.append(node);
    return node;
  };
  // The axis is as long as there is something to show.
  const now = history_.at(-1).at;
  const span = Math.min(kHistory, Math.max(kShortest, now - history_[0].at));
  const values = series.map(([, , of]) => history_.map(of));
  const most = top ?? Math.max(1e-9, ...values.flat().filter(Number.isFinite)) * 1.05;
  for (const y of [1, 50, 99]) put('line', {class: 'grid', x1: 0, x2: kHistory, y1: y, y2: y});
  values.forEach((line, i) => {
    // A line for each stretch without a gap; one point alone is a dot.
    let points = [], before = -Infinity;
    const draw = () => {
      if (points.length === 1) points.push(points[0]);
      if (points.length) put('polyline', {points: points.join(' ')}).style.stroke = `var(${series[i][1]})`;
      points = [];
    };
    line.forEach((value, j) => {
      const at = history_[j].at;
      if (!Number.isFinite(value) || at - before > kGap) draw();
      if (!Number.isFinite(value)) return;
      points.push(`${(kHistory * (1 - (now - at) / span)).toFixed(1)},${(99 - 98 * value / most).toFixed(2)}`);
      before = at;
    });
    draw();
  });
  const legend = series.map(([name, colour, of]) => {
    const mark = h('i');
    mark.style.background = `var(${colour})`;
    const value = of(history_.at(-1) ?? {});
    return h('span', {}, mark, name + ' ' + (Number.isFinite(value) ? show(value) : '–'));
  });
  svg.setAttribute('aria-label', title + ': ' + legend.map(node => node.textContent).join(', '));
  return h('figure', {}, h('figcaption', {}, h('b', {}, title), ...legend), svg,
           h('div', {className: 'axis'}, h('span', {}, `${span < 90 ? Math.round(span) + ' s' : Math.round(span / 60) + ' min'} ago`), h('span', {}, `top: ${show(top ?? (most <= 1e-8 ? 0 : most / 1.05))}`), h('span', {}, 'now')));
}

// Looks at the server now and then, so that there is something to see when its view is opened; once a second while it is.
let ready = false;  // the server has answered, and needs no key that the page does not have
let wake = null;
async function watch() {
  let before = null;
  for (;;) {
    const shown = !$('server').hidden;
    if (!document.hidden && (shown || ready) && !(lost && !shown)) {
      try {
        const [state, text] = await Promise.all([call('/slots').then(reply => reply.json()), call('/metrics').then(reply => reply.text())]);
        $('server-error').hidden = true;
        if (before && state.uptime_seconds < before.uptime_seconds) before = null;  // another server
        remember(state, before);
        before = state;
        if (!$('server').hidden) showState(state, samples(text));
      } catch (failure) {
        $('server-error').textContent = failure.message;
        $('server-error').hidden = false;
        before = null;
      }
    }
    await new Promise(resolve => { wake = resolve; setTimeout(resolve, $('server').hidden ? 5000 : 1000); });
  }
}

function remember(state, before) {
  const {batch, totals, cache} = state;
  const seconds = before ? state.uptime_seconds - before.uptime_seconds : 0;
  const rate = name => seconds > 0 ? (totals[name] - before.totals[name]) / seconds : NaN;
  const prompts = before ? totals.prompt_tokens - before.totals.prompt_tokens : 0;
  history_.push({
    at: performance.now() / 1000, outputRate: rate('output_tokens'), prefillRate: rate('prefill_tokens'), running: batch.running, queued: batch.queued,
    hitRate: prompts > 0 ? (totals.cached_tokens - before.totals.cached_tokens) / prompts : NaN,
    hitTotal: totals.prompt_tokens ? totals.cached_tokens / totals.prompt_tokens : NaN,
    cacheBytes: cache.state_bytes + cache.kv_bytes, runningBytes: batch.bytes,
  });
  while (history_.at(-1).at - history_[0].at > kHistory) history_.shift();
}

function showState(state, metrics) {
  const {batch, totals, cache} = state;
  const point = history_.at(-1);
  const metric = name => metrics.find(sample => sample.name === name)?.value ?? 0;
  const mean = name => metric(name + '_count') ? metric(name + '_sum') / metric(name + '_count') : null;
  const firstToken = mean('fulgur_time_to_first_token_seconds'), between = mean('fulgur_time_per_output_token_seconds');
  const tile = (name, value, small) => h('div', {}, h('dt', {}, name), h('dd', {}, value, small ? h('small', {}, small) : null));
  $('tiles').replaceChildren(
      tile('Model', state.model, `version ${state.weights_version} of the weights`),
      tile('Speed', Number.isFinite(point.outputRate) ? short(point.outputRate) + ' /s' : '–', 'tokens written'),
      tile('Batch', `${batch.running} of ${batch.max}`, `${batch.prefilling} reading their prompt`),
      tile('Queue', number(batch.queued), `${number(batch.queued_tokens)} tokens`),
      tile('First token', firstToken === null ? '–' : time(firstToken), 'mean wait'),
      tile('Per token', between === null ? '–' : time(between), 'mean'),
      tile('Cache hits', cache.lookups ? percent(cache.hits / cache.lookups) : '–', `${number(cache.hits)} of ${number(cache.lookups)} look-ups`),
      tile('Cache', bytes(point.cacheBytes), `${number(cache.checkpoints)} states`),
      tile('Context', short(state.max_context), 'tokens at most'),
      tile('Up', time(state.uptime_seconds), `busy ${percent(state.uptime_seconds ? state.busy_seconds / state.uptime_seconds : 0)}`));
  $('charts').replaceChildren(...kCharts.map(chart));
  const act = (id, name, label) => h('button', {type: 'button', className: 'plain', textContent: label, onclick: event => {
    event.target.disabled = true;
    call(`/v1/requests/${encodeURIComponent(id)}/${name}`, {method: 'POST'}).catch(failure => say(failure.message));
  }});
  const cell = (...children) => h('td', {}, ...children);
  // A button that has the focus would lose it.
  if (!$('requests').contains(document.activeElement) || state.slots.length === 0) {
    $('requests').replaceChildren(...state.slots.map(slot => h('tr', {}, cell(slot.request_id ?? String(slot.id)), cell(slot.path ?? ''),
        cell(slot.in_thinking ? 'thinking' : slot.phase), cell(time(slot.age_seconds)), cell(number(slot.prompt_tokens)),
        cell(number(slot.cached_tokens)), cell(number(slot.output_tokens)),
        cell(...(slot.request_id ? [...(slot.in_thinking ? [act(slot.request_id, 'end_thinking', 'End thinking')] : []), act(slot.request_id, 'cancel', 'Cancel')] : [])))));
    if (state.slots.length === 0) $('requests').append(h('tr', {}, h('td', {colSpan: 8}, 'none')));
  }
  const line = (name, value) => h('tr', {}, h('th', {scope: 'row'}, name), cell(value));
  $('totals').replaceChildren(
      line('Requests', `${number(totals.submitted)} taken, ${number(totals.rejected)} refused`),
      line('Ended', Object.entries(totals.finished).filter(([, n]) => n).map(([name, n]) => `${name.replaceAll('_', ' ')} ${number(n)}`).join(', ') || 'none'),
      line('Prompt tokens', `${number(totals.prompt_tokens)}, ${number(totals.cached_tokens)} of them from the cache`),
      line('Written tokens', `${number(totals.output_tokens)}, ${number(totals.thinking_tokens)} of them thinking`),
      line('Steps', `${number(totals.steps)}, ${number(totals.failed_steps)} failed`),
      line('Cache', `${bytes(cache.state_bytes)} of lightning states, ${bytes(cache.kv_bytes)} of keys and values, ${number(cache.evicted)} states dropped, ${bytes(cache.spill_bytes)} on disk`),
      line('HTTP', metrics.filter(sample => sample.name === 'fulgur_http_requests_total').map(sample => {
        const labels = sample.labels.match(/path="([^"]*)",status="(\d+)"/);
        return labels ? `${labels[1]} ${labels[2]}: ${number(sample.value)}` : '';
      }).filter(text => /\/v1\//.test(text)).join(', ') || 'no API request yet'));
}
