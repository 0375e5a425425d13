'use strict';
const $ = id => document.getElementById(id);

// Everything on the page is built with this: strings become text nodes, so no text is ever read as HTML.
function h(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (key.startsWith('aria-')) node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}
