// One message as an element.

import { face, h, icon, openMenu } from './dom.js';
import { shown } from './shown.js';
import { clock, inWords } from './words.js';

const TICKS = { sending: '○', sent: '✓', received: '✓✓', read: '✓✓' };

// [key, version, make] of a line, for `keyed`. `follows`: of the same author as the line before.
export function row(chat, line, me, follows, act) {
  const mine = line.item ? true : line.from === me;
  const state = stateOf(chat, line, mine, me);
  const author = mine || !chat.isGroup || !line.from ? '' : chat.memberName(line.from);
  const key = line.seq ?? line.key;
  const version = JSON.stringify([line.edit?.seq, state, author, follows, line.item?.key]);
  return [key, version, () => element(chat, line, { mine, state, author, follows, act, key })];
}

function stateOf(chat, { item, seq }, mine, me) {
  if (item) {
    return item.error ? 'failed' : 'sending';
  }
  return mine && chat.name !== 'slf' ? chat.reached(seq, me) : '';
}

function element(chat, line, { mine, state, author, follows, act }) {
  const label = `${mine ? 'You' : author || chat.title}, ${clock(line.ts)}`;
  const { item } = line;
  return h('li', { class: `line${mine ? ' mine' : ''}${follows ? ' follows' : ''} ${state}`, tabindex: '-1' },
    author && face(line.from, author, chat.members.get(line.from)?.public),
    h('div', { class: 'bubble' },
      author ? h('bdi', { class: 'author' }, author) : h('span', { class: 'unseen' }, `${mine ? 'You' : chat.title}: `),
      h('div', { class: 'content', dir: 'auto' }, shown(line.content, act.files)),
      h('p', { class: 'meta' },
        line.edit && h('span', {}, 'edited'),
        h('time', { datetime: line.ts }, clock(line.ts)),
        state in TICKS && h('span', { class: 'ticks', 'aria-hidden': 'true' }, TICKS[state]),
        state && h('span', { class: state === 'failed' ? 'failure' : 'unseen' }, state === 'failed' ? 'not sent' : state)),
      item?.error && failed(item, act)),
    !item && menuButton(line, label, act));
}

function failed(item, act) {
  return h('p', { class: 'error' }, `${inWords(item.error, item.head.replace ? 'edit' : 'send')} `,
    h('button', { type: 'button', class: 'plain', onclick: () => act.again(item) }, 'Send again'),
    h('button', { type: 'button', class: 'plain', onclick: () => act.drop(item) }, 'Discard'));
}

function menuButton(line, label, act) {
  const open = event => openMenu(event.currentTarget, act.entries(line));
  const attributes = { type: 'button', class: 'round actions', tabindex: '-1', 'aria-haspopup': 'menu', 'aria-expanded': 'false' };
  return h('button', { ...attributes, 'aria-label': `Actions for message: ${label}`, onclick: open }, icon('more'));
}
