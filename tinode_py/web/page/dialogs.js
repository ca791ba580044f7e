// Questions in a window of their own. A <dialog> keeps the focus inside, and gives it back.

import { byId, face, h, icon } from './dom.js';

// A dialog until it is closed; gives what `close(value)` was called with, null for Escape.
function opened(title, fill) {
  return new Promise(resolve => {
    let result = null;
    const heading = h('h2', { id: 'dialog-title' }, title);
    const closed = () => {
      document.body.append(byId('alert')); // it may be shown in here
      dialog.remove();
      resolve(result);
    };
    const dialog = h('dialog', { 'aria-labelledby': 'dialog-title', onclose: closed });
    const close = value => {
      result = value;
      dialog.close();
    };
    dialog.append(
      h('header', {}, heading, h('button', { type: 'button', class: 'round', 'aria-label': 'Close', onclick: () => close(null) }, icon('close'))),
      ...fill(close, dialog));
    document.body.append(dialog);
    dialog.showModal();
  });
}

// A line of text; null if it was not given.
export function askName(title, label, value = '') {
  return opened(title, close => {
    const input = h('input', { value, required: true, maxlength: '80', autofocus: true, autocomplete: 'off' });
    return [
      h('form', { onsubmit: event => (event.preventDefault(), close(input.value.trim())) },
        h('label', {}, label, ' ', input),
        h('button', { type: 'submit', class: 'main' }, 'OK')),
    ];
  });
}

export function askGroup() {
  return askName('New group', 'Name of the group');
}

// Whether to do something that cannot be undone.
export function confirmed(title, text, action) {
  return opened(title, close => [
    h('p', {}, text),
    h('div', { class: 'actions' },
      h('button', { type: 'button', class: 'plain', onclick: () => close(false) }, 'Cancel'),
      h('button', { type: 'button', class: 'main danger', autofocus: true, onclick: () => close(true) }, action)),
  ]);
}

// A picture with a line below it, before it is sent: the caption, or null.
export function askCaption(file) {
  const address = URL.createObjectURL(file);
  const done = opened('Send a picture', close => {
    const input = h('input', { maxlength: '1000', autofocus: true, autocomplete: 'off' });
    return [
      h('img', { class: 'preview', src: address, alt: `Preview of ${file.name}` }),
      h('form', { onsubmit: event => (event.preventDefault(), close({ caption: input.value.trim() })) },
        h('label', {}, 'Caption ', input),
        h('button', { type: 'submit', class: 'main' }, 'Send')),
    ];
  });
  return done.finally(() => URL.revokeObjectURL(address));
}

// A picture alone.
export function enlarge(image) {
  return opened(image.alt, () => [h('img', { class: 'large', src: image.src, alt: image.alt })]);
}

// The members of a group: who is there, adding and removing.
export function showMembers(chats, chat, tell) {
  return opened(`Members of ${chat.title}`, () => {
    const list = h('ul', { class: 'people', 'aria-label': 'Members' });
    const found = h('ul', { class: 'people', 'aria-label': 'People to add' });
    const input = h('input', { type: 'search', placeholder: 'Login of somebody', 'aria-label': 'Login of somebody to add', autocomplete: 'off', autocapitalize: 'none' });
    const draw = () => list.replaceChildren(...[...chat.members.values()].map(row => memberRow(chats, chat, row, remove)));
    const attempt = work => work.then(draw, error => tell(error, 'invite'));
    const remove = user => attempt(chats.removeMember(chat, user));
    const add = user => attempt(chats.addMember(chat, user).then(() => found.replaceChildren()));
    const search = async event => {
      event.preventDefault();
      const people = (await chats.find(input.value)).filter(({ name }) => name.startsWith('usr') && !chat.members.has(name));
      found.replaceChildren(...candidates(people, add));
    };
    const known = chats.contacts.filter(other => other.name.startsWith('usr') && !chat.members.has(other.name));
    found.replaceChildren(...known.map(other => candidate(other, add)));
    draw();
    const adding = chat.may('S') || chat.may('A');
    return [
      list,
      adding && h('h3', {}, 'Add somebody'),
      adding && h('form', { class: 'row', onsubmit: event => search(event).catch(tell) }, input, h('button', { type: 'submit', class: 'plain' }, 'Find')),
      adding && found,
    ].filter(Boolean);
  });
}

function memberRow(chats, chat, { user, online, acs }, remove) {
  const name = chat.memberName(user);
  const mine = user === chats.user;
  const removable = !mine && chat.may('A') && !acs?.mode?.includes('O');
  return h('li', {},
    face(user, name, chat.members.get(user).public, online),
    h('bdi', { class: 'name' }, mine ? `${name} (you)` : name),
    removable && h('button', { type: 'button', class: 'plain', 'aria-label': `Remove ${name}`, onclick: () => remove(user) }, 'Remove'));
}

function candidates(people, add) {
  return people.length ? people.map(person => candidate(person, add)) : [h('li', { class: 'hint' }, 'Nobody is found by that.')];
}

function candidate({ name, title, public: description }, add) {
  return h('li', {},
    face(name, title, description),
    h('bdi', { class: 'name' }, title),
    h('button', { type: 'button', class: 'plain', 'aria-label': `Add ${title}`, onclick: () => add(name) }, 'Add'));
}
