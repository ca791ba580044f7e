// Elements out of names, attributes and children. Text is always text: nothing is parsed.

const SVG = 'http://www.w3.org/2000/svg';

// An element. Members of `attributes` that begin with "on" are listeners; true is an attribute
// without a value; false and null are none. Children that are null or false are left out.
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) {
      element.addEventListener(key.slice(2), value);
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(key, value === true ? '' : value);
    }
  }
  element.append(...children.flat(3).filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

// Make the children of `list` those of `items`, [key, version, make]. An element stays as it is
// while its version does; one that is made anew keeps the focus if it had it.
export function keyed(list, items) {
  const focused = document.activeElement?.closest('[data-key]');
  const hadFocus = list.contains(focused) ? focused.dataset.key : null;
  const versions = new Map(items.map(([key, version]) => [String(key), version]));
  const old = new Map();
  for (const child of [...list.children]) {
    if (versions.get(child.dataset.key) === child.dataset.version) {
      old.set(child.dataset.key, child);
    } else {
      child.remove();
    }
  }
  let place = list.firstElementChild;
  for (const [key, version, make] of items) {
    const element = old.get(String(key)) ?? make();
    element.dataset.key = key;
    element.dataset.version = version;
    if (element === place) {
      place = place.nextElementSibling;
    } else {
      list.insertBefore(element, place);
    }
    if (hadFocus === String(key) && !element.contains(document.activeElement)) {
      (element.matches('[tabindex]') ? element : element.querySelector('a, button'))?.focus({ preventScroll: true });
    }
  }
}

const ICONS = {
  back: 'M15 5l-7 7 7 7',
  send: 'M4 12l16-8-6 16-3-7z',
  picture: 'M4 5h16v14H4z M4 16l5-5 4 4 3-3 4 4 M15 9.5v.01',
  more: 'M12 4.5a1 1 0 1 0 0 2a1 1 0 1 0 0-2 M12 11a1 1 0 1 0 0 2a1 1 0 1 0 0-2 M12 17.5a1 1 0 1 0 0 2a1 1 0 1 0 0-2',
  plus: 'M12 5v14 M5 12h14',
  close: 'M6 6l12 12 M18 6L6 18',
  down: 'M6 9l6 6 6-6',
};

export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

// Somebody's picture, or the first letters of his name on a colour of his own. Never named:
// the name stands beside it.
export function face(name, title, description, online = false) {
  const photo = description?.photo;
  const source = isObject(photo) ? inlineImage(`image/${photo.type === 'jpg' ? 'jpeg' : photo.type}`, photo.data) : '';
  const letters = title.split(/\s+/).slice(0, 2).map(word => [...word][0] ?? '').join('').toUpperCase();
  const hue = [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 997, 7) % 8;
  return h('span', { class: `face tint-${hue}${online ? ' online' : ''}`, 'aria-hidden': 'true' },
    source ? h('img', { src: source, alt: '' }) : letters);
}

// The address of an image that came inside a packet; empty for what is no image we show.
export function inlineImage(mime, base64) {
  const fits = /^image\/(png|jpeg|gif|webp)$/.test(mime) && typeof base64 === 'string';
  return fits && /^[A-Za-z0-9+/]+=*$/.test(base64) ? `data:${mime};base64,${base64}` : '';
}

// A menu below a button, with [label, action]; keyboard as the ARIA practices say.
export function openMenu(button, entries) {
  const items = entries.map(([label, action]) =>
    h('button', { type: 'button', role: 'menuitem', tabindex: '-1', onclick: () => (close(true), action()) }, label));
  const menu = h('div', { class: 'menu', role: 'menu', 'aria-label': button.getAttribute('aria-label') }, items);
  const outside = event => menu.contains(event.target) || close(false);
  const close = back => {
    menu.remove();
    button.setAttribute('aria-expanded', 'false');
    document.removeEventListener('pointerdown', outside, true);
    if (back) {
      button.focus();
    }
  };
  menu.addEventListener('keydown', event => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const at = items.indexOf(document.activeElement);
    if (step) {
      items.at((at + step) % items.length).focus();
    } else if (event.key === 'Home' || event.key === 'End') {
      items.at(event.key === 'Home' ? 0 : -1).focus();
    } else if (event.key === 'Escape' || event.key === 'Tab') {
      close(true);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
  document.body.append(menu);
  const { top, bottom, right } = button.getBoundingClientRect();
  const height = menu.offsetHeight;
  menu.style.top = `${bottom + height + 8 > innerHeight ? Math.max(4, top - height - 4) : bottom + 4}px`;
  menu.style.left = `${Math.max(4, Math.min(right, innerWidth - 4) - menu.offsetWidth)}px`;
  button.setAttribute('aria-expanded', 'true');
  document.addEventListener('pointerdown', outside, true);
  items[0].focus();
}

function isObject(value) {
  return typeof value === 'object' && value !== null;
}
