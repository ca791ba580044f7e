// Messages as elements. Only elements that are named here are made, only addresses that are
// known to be harmless are followed: whatever a document says, it cannot run anything.

import { read } from './drafty.js';
import { h, inlineImage } from './dom.js';

// Without a prototype: a kind may be called `constructor`.
const TAGS = { __proto__: null, ST: 'strong', EM: 'em', DL: 'del', CO: 'code', QQ: 'blockquote' };
const LABELS = { __proto__: null, EX: 'File', AU: 'Audio', VD: 'Video' };

// The elements of a message. `files.open(data)` gives the address of an upload,
// `files.enlarge(image)` shows a picture alone, `files.save(data)` hands a file out.
export function shown(content, files) {
  const tree = read(content);
  return tree ? tree.map(node => element(node, files)) : [h('em', {}, 'This message cannot be shown.')];
}

function element(node, files) {
  if (typeof node === 'string') {
    return node;
  }
  const { kind, data } = node;
  const inner = node.children.map(child => element(child, files));
  if (kind in TAGS) {
    return h(TAGS[kind], {}, inner);
  }
  switch (kind) {
    case 'BR': return h('br');
    case 'HD': return null;
    case 'LN': return link(data.url, inner);
    case 'MN': return h('span', { class: 'mention' }, inner);
    case 'IM': return image(data, files);
    case 'VC': return h('em', {}, 'Call');
    case 'EX': case 'AU': case 'VD': return file(kind, data, files);
    default: return h('span', {}, inner);
  }
}

function link(address, inner) {
  const url = safeLink(address);
  return url ? h('a', { href: url, target: '_blank', rel: 'noopener noreferrer nofollow' }, inner) : h('span', {}, inner);
}

// An address that may be followed; empty for `javascript:` and all else that we do not know.
export function safeLink(address) {
  try {
    const url = new URL(address);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : '';
  } catch {
    return '';
  }
}

function image(data, files) {
  const alt = typeof data.name === 'string' && data.name ? data.name.slice(0, 100) : 'Picture';
  const [width, height] = [data.width, data.height].map(side => (side > 0 && side <= 20_000 ? Math.round(side) : null));
  const small = inlineImage(data.mime, data.val);
  if (!small && !isUpload(data.ref)) {
    return h('em', {}, `[${alt}]`);
  }
  const picture = h('img', { alt, width, height, src: small || null });
  if (isUpload(data.ref)) {
    files.open(data).then(address => (picture.src = address), () => (picture.alt = `${alt} (cannot be loaded)`));
  }
  return h('button', { type: 'button', class: 'picture', onclick: () => files.enlarge(picture) }, picture);
}

function file(kind, data, files) {
  const name = typeof data.name === 'string' && data.name ? data.name.slice(0, 100) : LABELS[kind];
  return h('button', { type: 'button', class: 'file', onclick: () => files.save(data, name) }, `${LABELS[kind]}: ${name}`);
}

// Whether an address is that of an upload on this server.
export function isUpload(address) {
  return typeof address === 'string' && /^\/v0\/file\/s\/[\w-]{1,64}(\.\w{1,16})?$/.test(address);
}
