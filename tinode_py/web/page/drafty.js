// Drafty, the format of styled messages, as a tree; and back from what people type.
//
// A document is {txt, fmt, ent}. A style covers `len` characters from `at` on (characters as
// people count them: grapheme clusters) and names a decoration (`tp`) or an entity (`key`).
// Numbers that are absent are 0, `at` -1 is an attachment. Nothing here trusts a document: what
// does not fit is passed over, nesting and number are bounded.
//
// A node of a tree is a text, or {kind, data, children}.

const MOST_STYLES = 1_000;
const DEEPEST = 16;
const SEGMENTER = new Intl.Segmenter('en', { granularity: 'grapheme' });
const LABELS = { __proto__: null, IM: 'Picture', EX: 'File', AU: 'Audio', VD: 'Video', VC: 'Call' };
const MARKS = { __proto__: null, ST: '*', EM: '_', DL: '~', CO: '`' };

// --- reading

// The children of the tree; null for what is no message that can be shown.
export function read(content) {
  if (typeof content === 'string') {
    return [content];
  }
  if (!isObject(content) || !('txt' in content || 'fmt' in content || 'ent' in content)) {
    return null;
  }
  const text = clusters(typeof content.txt === 'string' ? content.txt : '');
  const styles = stylesOf(content);
  const inside = styles.filter(({ at, end }) => at >= 0 && end <= text.length);
  inside.sort((a, b) => a.at - b.at || b.end - a.end);
  const root = { at: 0, end: text.length, children: [], depth: 0 };
  const open = [root];
  let at = 0;
  const advance = to => {
    if (to > at) {
      open.at(-1).children.push(text.slice(at, to).join(''));
      at = to;
    }
  };
  const close = until => {
    while (open.length > 1 && open.at(-1).end <= until) {
      advance(open.at(-1).end);
      open.pop();
    }
  };
  for (const style of inside) {
    close(style.at);
    const parent = open.at(-1);
    if (style.end <= parent.end && parent.depth < DEEPEST) {
      advance(style.at);
      const node = { ...style, children: [], depth: parent.depth + 1 };
      parent.children.push(node);
      open.push(node);
    }
  }
  close(text.length);
  advance(text.length);
  const attached = styles.filter(style => style.at < 0).map(style => ({ ...style, children: [] }));
  return [...root.children, ...attached];
}

function stylesOf({ fmt, ent }) {
  const entities = Array.isArray(ent) ? ent : [];
  let written = Array.isArray(fmt) ? fmt.slice(0, MOST_STYLES) : [];
  if (!written.length && entities.length) {
    written = [{}]; // all zeroes were left out
  }
  const found = [];
  for (const style of written.filter(isObject)) {
    const at = Math.max(-1, whole(style.at));
    const end = at + Math.max(0, whole(style.len));
    if (typeof style.tp === 'string' && style.tp) {
      if (end > at && at >= 0) {
        found.push({ at, end, kind: style.tp, data: {} });
      }
      continue;
    }
    const entity = entities[whole(style.key)];
    if (isObject(entity)) {
      found.push({ at, end, kind: String(entity.tp), data: isObject(entity.data) ? entity.data : {} });
    }
  }
  return found;
}

// In one line, without quotes: for announcements and quotations.
export function summary(content, length = 80) {
  const tree = read(content);
  if (!tree) {
    return 'A message that cannot be shown';
  }
  const text = tree.map(spoken).join('').replace(/\s+/g, ' ').trim();
  const cut = clusters(text.slice(0, 4 * length));
  return cut.length > length ? `${cut.slice(0, length - 1).join('')}…` : text;
}

function spoken(node) {
  if (typeof node === 'string') {
    return node;
  }
  if (node.kind === 'QQ' || node.kind === 'HD') {
    return '';
  }
  return node.kind in LABELS ? `[${LABELS[node.kind]}] ` : node.children.map(spoken).join('');
}

// What somebody would type to get this message, without a quotation before it.
export function source(content) {
  return (read(content) ?? []).map(typed).join('').trim();
}

function typed(node) {
  if (typeof node === 'string') {
    return node;
  }
  if (node.kind === 'QQ' || node.kind in LABELS) {
    return '';
  }
  const mark = MARKS[node.kind] ?? '';
  return node.kind === 'BR' ? '\n' : `${mark}${node.children.map(typed).join('')}${mark}`;
}

// Whether a message is made of nothing but text, so that it can be edited as such.
export function isText(content) {
  const tree = read(content);
  return tree !== null && !tree.some(node => node.kind in LABELS || node.kind === 'FM');
}

// --- writing

const LINK = /\bhttps?:\/\/[^\s<>"]*[^\s<>".,;:!?'*_~`)\]}]/iu;
const PATTERNS = [
  ['CO', /`([^`\n]+)`/u],
  ['LN', LINK],
  ['ST', /(?<![\p{L}\p{N}*])\*(?=\S)([^*\n]*[^*\s])\*(?![\p{L}\p{N}*])/u],
  ['EM', /(?<![\p{L}\p{N}_])_(?=\S)([^_\n]*[^_\s])_(?![\p{L}\p{N}_])/u],
  ['DL', /(?<![\p{L}\p{N}~])~(?=\S)([^~\n]*[^~\s])~(?![\p{L}\p{N}~])/u],
  ['BR', /\n/u],
];

// A document out of typed text: *bold*, _slanted_, ~struck~, `code`, links. Plain text stays
// plain text.
export function write(text) {
  const made = new Writer();
  made.add(text, 0);
  return made.document();
}

class Writer {
  txt = '';
  fmt = [];
  ent = [];

  add(text, depth) {
    const found = PATTERNS.map(([kind, pattern]) => ({ kind, match: pattern.exec(text) }));
    const [first] = found.filter(({ match }) => match).sort((a, b) => a.match.index - b.match.index);
    if (!first || depth > DEEPEST) {
      this.txt += text;
      return;
    }
    const { kind, match } = first;
    this.txt += text.slice(0, match.index);
    const at = this.size;
    this.#style(kind, match, depth);
    const style = { at, len: this.size - at };
    if (kind === 'LN') {
      this.entity('LN', { url: match[0] }, style);
    } else {
      this.fmt.push({ tp: kind, ...style });
    }
    this.add(text.slice(match.index + match[0].length), depth);
  }

  #style(kind, match, depth) {
    if (kind === 'BR') {
      this.txt += ' ';
    } else if (kind === 'CO' || kind === 'LN') {
      this.txt += match[1] ?? match[0];
    } else {
      this.add(match[1], depth + 1);
    }
  }

  entity(tp, data, style) {
    this.fmt.push({ ...style, key: this.ent.length });
    this.ent.push({ tp, data });
  }

  // Another document, behind what is there.
  append(content) {
    const { txt, fmt = [], ent = [] } = typeof content === 'string' ? { txt: content } : content;
    const start = this.size;
    const keys = this.ent.length;
    this.txt += txt;
    for (const style of fmt) {
      const key = style.tp ? {} : { key: whole(style.key) + keys };
      this.fmt.push({ ...style, at: whole(style.at) + start, ...key });
    }
    this.ent.push(...ent);
  }

  get size() {
    return clusters(this.txt).length;
  }

  document() {
    const { txt, fmt, ent } = this;
    return fmt.length ? { txt, fmt, ...(ent.length && { ent }) } : txt;
  }
}

// A quotation: who said it, a line of what was said.
export function quotation(user, name, content) {
  const made = new Writer();
  made.txt = name;
  made.entity('MN', { val: user }, { at: 0, len: made.size });
  made.add('\n', 0);
  made.txt += summary(content);
  made.fmt.push({ tp: 'QQ', at: 0, len: made.size });
  return made.document();
}

// The quotation at the beginning of a message as a document of its own; null without one.
export function leadingQuotation(content) {
  const quote = read(content)?.[0];
  if (quote?.kind !== 'QQ' || typeof content.txt !== 'string' || !Array.isArray(content.fmt)) {
    return null;
  }
  const inside = ({ at, len }) => whole(at) >= 0 && whole(at) + whole(len) <= quote.end;
  const txt = clusters(content.txt).slice(0, quote.end).join('');
  return { txt, fmt: content.fmt.filter(style => isObject(style) && inside(style)), ent: Array.isArray(content.ent) ? content.ent : [] };
}

export function joined(first, second) {
  const made = new Writer();
  made.append(first);
  made.append(second);
  return made.document();
}

// A picture, and a line below it if there is one.
export function picture(data, caption) {
  const made = new Writer();
  made.txt = ' ';
  made.entity('IM', data, { at: 0, len: 1 });
  if (caption) {
    made.append(write(`\n${caption}`));
  }
  return made.document();
}

// --- words

function clusters(text) {
  return /^[\x20-\x7e]*$/.test(text) ? text.split('') : Array.from(SEGMENTER.segment(text), part => part.segment);
}

function whole(value) {
  return Number.isSafeInteger(value) ? value : 0;
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
