// Formulas: LaTeX to MathML.

const Formula = (() => {
  const kNs = 'http://www.w3.org/1998/Math/MathML';
  const m = (tag, ...children) => {
    const node = document.createElementNS(kNs, tag);
    node.append(...children);
    return node;
  };
  const words = text => Object.fromEntries(text.trim().split(/\s+/).map(pair => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1)];
  }));
  const kLetters = words(`alpha=α beta=β gamma=γ delta=δ epsilon=ϵ varepsilon=ε zeta=ζ eta=η theta=θ vartheta=ϑ iota=ι
    kappa=κ lambda=λ mu=μ nu=ν xi=ξ omicron=ο pi=π varpi=ϖ rho=ρ varrho=ϱ sigma=σ varsigma=ς tau=τ upsilon=υ phi=ϕ varphi=φ
    chi=χ psi=ψ omega=ω infty=∞ partial=∂ nabla=∇ hbar=ℏ ell=ℓ Re=ℜ Im=ℑ aleph=ℵ emptyset=∅ varnothing=∅ imath=ı jmath=ȷ
    angle=∠ triangle=△ degree=° top=⊤ bot=⊥ ldots=… dots=… dotsc=… dotsb=⋯ cdots=⋯ vdots=⋮ ddots=⋱ checkmark=✓ square=□
    blacksquare=■ bigstar=★ complement=∁ wp=℘ prime=′`);
  const kUpright = words(`Gamma=Γ Delta=Δ Theta=Θ Lambda=Λ Xi=Ξ Pi=Π Sigma=Σ Upsilon=Υ Phi=Φ Psi=Ψ Omega=Ω`);
  const kOperators = words(`times=× div=÷ cdot=⋅ pm=± mp=∓ ast=∗ star=⋆ circ=∘ bullet=• oplus=⊕ ominus=⊖ otimes=⊗ odot=⊙ le=≤ leq=≤
    leqslant=⩽ ge=≥ geq=≥ geqslant=⩾ ne=≠ neq=≠ equiv=≡ approx=≈ sim=∼ simeq=≃ cong=≅ propto=∝ ll=≪ gg=≫ prec=≺ succ=≻ in=∈
    notin=∉ ni=∋ subset=⊂ subseteq=⊆ supset=⊃ supseteq=⊇ subsetneq=⊊ cup=∪ cap=∩ setminus=∖ land=∧ wedge=∧ lor=∨ vee=∨
    neg=¬ lnot=¬ forall=∀ exists=∃ nexists=∄ to=→ rightarrow=→ leftarrow=← gets=← leftrightarrow=↔ Rightarrow=⇒ Leftarrow=⇐
    implies=⟹ iff=⟺ Leftrightarrow=⇔ Longrightarrow=⟹ longrightarrow=⟶ mapsto=↦ uparrow=↑ downarrow=↓ hookrightarrow=↪ mid=∣ nmid=∤
    parallel=∥ perp=⊥ therefore=∴ because=∵ langle=⟨ rangle=⟩ lfloor=⌊ rfloor=⌋ lceil=⌈ rceil=⌉ lbrace={ rbrace=} lvert=|
    rvert=| vert=| lVert=‖ rVert=‖ Vert=‖ colon=: models=⊨ vdash=⊢ asymp=≍ doteq=≐ backslash=\\ bigtriangleup=△ dagger=†
    lbrack=[ rbrack=] rightleftharpoons=⇌ nearrow=↗ searrow=↘ bmod=mod coloneqq=≔`);
  const kBig = words(`sum=∑ prod=∏ coprod=∐ int=∫ iint=∬ iiint=∭ oint=∮ bigcup=⋃ bigcap=⋂ bigoplus=⨁ bigotimes=⨂ bigvee=⋁ bigwedge=⋀`);
  const kFunctions = new Set(`sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth log ln lg exp det dim ker deg gcd lcm hom arg Pr
    lim limsup liminf max min sup inf argmax argmin`.split(/\s+/));
  const kLimits = new Set('lim limsup liminf max min sup inf argmax argmin det gcd Pr'.split(' '));
  const kAccents = words('hat=^ widehat=^ bar=‾ overline=‾ vec=→ overrightarrow=→ tilde=~ widetilde=~ dot=˙ ddot=¨ overbrace=⏞ check=ˇ');
  const kUnder = words('underline=_ underbrace=⏟');
  const kSpaces = {',': .167, ':': .222, '>': .222, ';': .278, ' ': .25, '!': -.167, quad: 1, qquad: 2, thinspace: .167, enspace: .5};
  const kFences = {matrix: ['', ''], smallmatrix: ['', ''], pmatrix: ['(', ')'], bmatrix: ['[', ']'], Bmatrix: ['{', '}'],
                   vmatrix: ['|', '|'], Vmatrix: ['‖', '‖'], cases: ['{', ''], array: ['', ''], aligned: ['', ''], align: ['', ''],
                   'align*': ['', ''], alignedat: ['', ''], gathered: ['', ''], gather: ['', ''], 'gather*': ['', ''], split: ['', ''],
                   equation: ['', ''], 'equation*': ['', '']};
  const kIgnored = new Set(['displaystyle', 'textstyle', 'scriptstyle', 'limits', 'nolimits', 'nonumber', 'notag', 'hline', 'normalsize', 'large', 'Large']);
  const kSizes = /^(?:big|Big|bigg|Bigg)[lrm]?$/;
  const kFonts = {mathbf: 'bold', boldsymbol: 'bold', bm: 'bold', mathbb: 'double', Bbb: 'double', mathcal: 'script', mathscr: 'script',
                  mathfrak: 'fraktur', mathrm: 'normal', operatorname: 'function', mathsf: 'normal', mathtt: 'normal', mathit: 'italic', mathop: 'italic'};
  // Where the letters of a font begin in Unicode, and those that had a place before.
  const kAlphabets = {bold: [0x1d400, 0x1d7ce, ''], double: [0x1d538, 0x1d7d8, 'CℂHℍNℕPℙQℚRℝZℤ'],
                      script: [0x1d49c, 0, 'BℬEℰFℱHℋIℐLℒMℳRℛeℯgℊoℴ'], fraktur: [0x1d504, 0, 'CℭHℌIℑRℜZℨ']};
  const kMaxDepth = 60;

  function letters(text, font) {
    const alphabet = kAlphabets[font];
    if (!alphabet) return text;
    return [...text].map(c => {
      const special = alphabet[2].indexOf(c);
      if (special >= 0 && special % 2 === 0) return alphabet[2][special + 1];
      if (c >= 'A' && c <= 'Z') return String.fromCodePoint(alphabet[0] + c.charCodeAt(0) - 65);
      if (c >= 'a' && c <= 'z') return String.fromCodePoint(alphabet[0] + 26 + c.charCodeAt(0) - 97);
      if (c >= '0' && c <= '9' && alphabet[1]) return String.fromCodePoint(alphabet[1] + c.charCodeAt(0) - 48);
      return c;
    }).join('');
  }

  function parse(source, display) {
    const tokens = source.match(/\\[a-zA-Z]+\*?|\\[\s\S]|\d+(?:[.,]\d+)*|\s+|[\s\S]/gu) ?? [];
    let at = 0, depth = 0;
    const skip = () => { while (at < tokens.length && /^\s/.test(tokens[at])) ++at; };
    const peek = () => { skip(); return tokens[at]; };
    const row = nodes => nodes.length === 1 ? nodes[0] : m('mrow', ...nodes);
    const operator = (text, stretchy) => {
      const node = m('mo', text);
      if (stretchy !== undefined) node.setAttribute('stretchy', stretchy);
      return node;
    };
    const space = em => {
      const node = m('mspace');
      node.setAttribute('width', em + 'em');
      return node;
    };
    const upright = text => {
      const node = m('mi', text);
      node.setAttribute('mathvariant', 'normal');
      return node;
    };

    // The text of a {group}, as it stands.
    function raw() {
      if (peek() !== '{') return at < tokens.length ? tokens[at++] : '';
      let level = 0, text = '';
      for (; at < tokens.length; ++at) {
        if (tokens[at] === '{' && level++ === 0) continue;
        if (tokens[at] === '}' && --level === 0) { ++at; break; }
        text += tokens[at];
      }
      return text;
    }
    function bracket() {
      if (peek() !== '[') return null;
      ++at;
      const inner = sequence(token => token === ']');
      if (tokens[at] === ']') ++at;
      return row(inner);
    }
    function argument() {
      const token = peek();
      if (token === undefined) return m('mrow');
      if (token === '{') return group();
      // \frac12: one digit each.
      if (/^\d/.test(token) && token.length > 1) {
        tokens[at] = token.slice(1);
        return m('mn', token[0]);
      }
      return atom() ?? m('mrow');
    }
    function group() {
      ++at;
      const inner = sequence(token => token === '}');
      if (tokens[at] === '}') ++at;
      return row(inner);
    }
    function delimiter() {
      const token = peek() ?? '.';
      ++at;
      if (token === '.') return '';
      if (token === '\\|') return '‖';
      if (token[0] === '\\') return kOperators[token.slice(1)] ?? token.slice(1);
      return token;
    }
    function table(name) {
      const [open, close] = kFences[name] ?? ['', ''];
      if (name === 'array' || name === 'alignedat') raw();
      const rows = [[]];
      for (;;) {
        rows.at(-1).push(sequence(token => token === '&' || token === '\\\\' || token === '\\end'));
        const token = tokens[at];
        if (token === undefined) break;
        ++at;
        if (token === '\\end') { raw(); break; }
        if (token === '\\\\') {
          if (tokens[at] === '[') while (at < tokens.length && tokens[at++] !== ']');
          rows.push([]);
        }
      }
      if (rows.length > 1 && rows.at(-1).every(cell => cell.length === 0)) rows.pop();
      const body = m('mtable', ...rows.map(cells => m('mtr', ...cells.map(cell => m('mtd', ...cell)))));
      const aligned = /align|split/.test(name);
      if (aligned || name === 'cases') {
        for (const cells of body.children) {
          [...cells.children].forEach((cell, i) => {
            cell.style.textAlign = aligned && i % 2 === 0 ? 'right' : 'left';
            if (aligned) cell.style.paddingInline = i % 2 === 0 ? '.8em 0' : '.2em 0';
          });
        }
        if (aligned) body.setAttribute('displaystyle', 'true');
      }
      return m('mrow', ...(open ? [operator(open, true)] : []), body, ...(close ? [operator(close, true)] : []));
    }

    // One thing without its indices; null for what shows nothing. `limits` of the node: indices go below and above.
    function atom() {
      const token = tokens[at++];
      if (token === '{') { --at; return group(); }
      if (/^\d/.test(token)) return m('mn', token);
      if (token[0] !== '\\') {
        if (/\p{L}/u.test(token)) return m('mi', token);
        if (token === '-') return operator('−');
        if (token === '*') return operator('∗');
        if (token === '~') return space(.25);
        if (token === '\'') return operator('′');
        if (/[()[\]|/]/.test(token)) return operator(token, false);
        if (token === '}' || token === '&' || token === '$') return m('mtext', token);
        return operator(token);
      }
      const name = token.slice(1).replace(/\*$/, '');
      if (Object.hasOwn(kSpaces, name)) return space(kSpaces[name]);
      if (Object.hasOwn(kLetters, name)) return m('mi', kLetters[name]);
      if (Object.hasOwn(kUpright, name)) return upright(kUpright[name]);
      if (Object.hasOwn(kOperators, name)) return operator(kOperators[name], /^[\[\]{}|‖⟨⟩⌊⌋⌈⌉]$/.test(kOperators[name]) ? false : undefined);
      if (Object.hasOwn(kBig, name)) {
        const node = operator(kBig[name]);
        node.limits = display && !/int/.test(name);
        return node;
      }
      if (kFunctions.has(name)) {
        const node = upright(name.replace(/^(lim|arg)(sup|inf|max|min)$/, '$1 $2'));
        node.limits = display && kLimits.has(name);
        node.isFunction = true;
        return node;
      }
      if (kIgnored.has(name)) return null;
      if (kSizes.test(name)) {
        const node = operator(delimiter(), true);
        node.setAttribute('minsize', name.startsWith('bigg') ? '2.2em' : name.startsWith('Bigg') ? '2.8em' : name[0] === 'B' ? '1.7em' : '1.2em');
        return node;
      }
      if (Object.hasOwn(kAccents, name)) {
        const accent = operator(kAccents[name], /wide|over/.test(name));
        const node = m('mover', argument(), accent);
        node.setAttribute('accent', 'true');
        node.limits = name === 'overbrace';
        return node;
      }
      if (Object.hasOwn(kUnder, name)) {
        const node = m('munder', argument(), operator(kUnder[name], true));
        node.limits = name === 'underbrace';
        return node;
      }
      if (Object.hasOwn(kFonts, name)) {
        const font = kFonts[name];
        if (font === 'italic') return argument();
        const text = raw();
        // Letters have a font of their own; anything longer is parsed, in the font around it.
        if (/^[\p{L}\d\s.,'-]*$/u.test(text)) {
          const node = upright(letters(font === 'function' ? text.replace(/\s+/g, ' ') : text.trim(), font));
          node.isFunction = font === 'function';
          return node;
        }
        return m('mrow', ...parse(text, display));
      }
      switch (name) {
        case 'frac': case 'dfrac': case 'tfrac': case 'cfrac': {
          const node = m('mfrac', argument(), argument());
          if (name === 'dfrac' || name === 'cfrac') node.setAttribute('displaystyle', 'true');
          return node;
        }
        case 'binom': case 'dbinom': case 'tbinom': {
          const node = m('mfrac', argument(), argument());
          node.setAttribute('linethickness', '0');
          return m('mrow', operator('(', true), node, operator(')', true));
        }
        case 'sqrt': {
          const index = bracket();
          return index ? m('mroot', argument(), index) : m('msqrt', argument());
        }
        case 'boxed': case 'fbox': {
          const node = m('mrow', argument());
          node.setAttribute('class', 'boxed');
          return node;
        }
        case 'text': case 'textbf': case 'textit': case 'textrm': case 'mbox': case 'textsf': case 'texttt': {
          const node = m('mtext', raw().replace(/^\s|\s$/g, '\u00a0').replace(/\\([%$&#_{} ])/g, '$1'));
          if (name === 'textbf') node.style.fontWeight = 'bold';
          if (name === 'textit') node.style.fontStyle = 'italic';
          return node;
        }
        case 'left': {
          const open = delimiter();
          const inner = sequence(next => next === '\\right');
          let close = '';
          if (tokens[at] === '\\right') { ++at; close = delimiter(); }
          return m('mrow', ...(open ? [operator(open, true)] : []), ...inner, ...(close ? [operator(close, true)] : []));
        }
        case 'middle': return operator(delimiter(), true);
        case 'begin': return table(raw());
        case 'not': {
          const node = atom();
          if (node) node.textContent += '\u0338';
          return node;
        }
        case 'pmod': return m('mrow', space(.4), operator('('), upright('mod'), space(.3), argument(), operator(')'));
        case 'mod': return m('mrow', space(.4), upright('mod'), space(.3));
        case 'overset': case 'stackrel': {
          const above = argument();
          return m('mover', argument(), above);
        }
        case 'underset': {
          const below = argument();
          return m('munder', argument(), below);
        }
        case 'phantom': case 'hspace': case 'vspace': case 'label': raw(); return null;
        case 'color': raw(); return null;
        case 'textcolor': case 'colorbox': raw(); return argument();
        case 'tag': return m('mrow', space(1), operator('('), m('mtext', raw()), operator(')'));
        case 'xrightarrow': return m('mover', operator('→', true), argument());
        case '\\': {
          const node = m('mspace');
          node.setAttribute('linebreak', 'newline');
          return node;
        }
        case '|': return operator('‖', false);
      }
      if (/^[{}%$&#_]$/.test(name)) return operator(name, false);
      return m('mtext', token);
    }

    function sequence(ends) {
      if (++depth > kMaxDepth) throw new RangeError('too deep');
      const nodes = [];
      for (;;) {
        skip();
        const token = tokens[at];
        if (token === undefined || ends(token)) break;
        let base = token === '^' || token === '_' ? m('mrow') : atom();
        if (base === null) continue;
        let below = null, above = null, primes = '';
        for (;;) {
          const next = peek();
          if (next === '\\limits') { ++at; base.limits = true; continue; }
          if (next === '\\nolimits') { ++at; base.limits = false; continue; }
          if (next === '\'' && above === null) { ++at; primes += '′'; continue; }
          if (next === '_' && below === null) { ++at; below = argument(); continue; }
          if (next === '^' && above === null) { ++at; above = argument(); continue; }
          break;
        }
        if (primes) above = above ? m('mrow', operator(primes), above) : operator(primes);
        const {limits, isFunction} = base;
        if (below && above) base = m(limits ? 'munderover' : 'msubsup', base, below, above);
        else if (below) base = m(limits ? 'munder' : 'msub', base, below);
        else if (above) base = m(limits ? 'mover' : 'msup', base, above);
        nodes.push(base);
        if (isFunction && /^(?:[\p{L}\d]|\\[a-zA-Z])/u.test(peek() ?? '')) nodes.push(space(.167));
      }
      --depth;
      return nodes;
    }

    const nodes = [];
    // A stray end of a group is shown rather than ending the formula.
    while (at < tokens.length) {
      nodes.push(...sequence(() => false));
      skip();
    }
    return nodes;
  }

  return (source, display) => {
    let math;
    try {
      math = m('math', m('mrow', ...parse(source, display)));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return h('code', {}, source);
    }
    if (!display) return math;
    math.setAttribute('display', 'block');
    return h('div', {className: 'display'}, math);
  };
})();
