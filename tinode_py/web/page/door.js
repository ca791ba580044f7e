// The door: logging in, making an account, saying the code that came by mail.

import { byId } from './dom.js';
import { inWords } from './words.js';

export class Door {
  #session;
  #isNew = false;
  #form = byId('login');
  #code = byId('confirm');

  constructor(session) {
    this.#session = session;
    this.#form.addEventListener('submit', event => this.#submit(event));
    this.#code.addEventListener('submit', event => this.#confirm(event));
    byId('other-door').addEventListener('click', () => this.#turn(!this.#isNew));
  }

  show(state, error) {
    byId('door').hidden = state !== 'door' && state !== 'confirm';
    if (state === 'ready') {
      this.#isNew = false; // who comes back has an account
      this.#form.reset();
    }
    this.#form.hidden = state === 'confirm';
    this.#code.hidden = state !== 'confirm';
    if (state === 'confirm') {
      this.#code.elements.code.focus();
    } else if (state === 'door') {
      this.#turn(this.#isNew);
      say('door-error', error && 'You are not logged in any more. Log in again.');
      this.#form.elements[this.#isNew ? 'name' : 'login'].focus();
    }
  }

  #turn(isNew) {
    this.#isNew = isNew;
    const title = isNew ? 'Make an account' : 'Log in';
    const { password, email, name } = this.#form.elements;
    byId('door-title').textContent = title;
    this.#form.querySelector('.main').textContent = title;
    byId('other-door').textContent = isNew ? 'I have an account' : 'New here? Make an account';
    for (const label of this.#form.querySelectorAll('.new')) {
      label.hidden = !isNew;
    }
    const mail = this.#session.server.reqCred?.auth?.includes('email') ?? false;
    this.#form.querySelector('.mail').hidden = !(isNew && mail);
    email.required = isNew && mail;
    name.required = isNew;
    password.autocomplete = isNew ? 'new-password' : 'current-password';
    say('door-error', '');
  }

  async #submit(event) {
    event.preventDefault();
    const { name, login, password, email, invite, stay } = this.#form.elements;
    const given = { login: login.value.trim(), password: password.value, stay: stay.checked };
    await this.#try('door-error', this.#isNew ? 'register' : 'login', async () => {
      if (this.#isNew) {
        const more = { name: name.value.trim(), email: email.value.trim(), invite: invite.value.trim() };
        await this.#session.register({ ...given, ...more });
      } else {
        await this.#session.login(given.login, given.password, given.stay);
      }
    });
  }

  async #confirm(event) {
    event.preventDefault();
    const { code } = this.#code.elements;
    await this.#try('confirm-error', 'confirm', async () => {
      await this.#session.confirm(code.value.trim());
      code.value = '';
      if (this.#session.state === 'confirm') {
        say('confirm-error', 'That code is not right.');
      }
    });
  }

  async #try(place, doing, work) {
    const buttons = byId('door').querySelectorAll('button');
    say(place, '');
    for (const button of buttons) {
      button.disabled = true;
    }
    try {
      await work();
    } catch (error) {
      if (error.params?.creds?.includes('invite') || error.params?.what === 'invite') {
        this.#form.querySelector('.invite').hidden = false;
      }
      say(place, inWords(error, doing));
    } finally {
      for (const button of buttons) {
        button.disabled = false;
      }
    }
  }
}

function say(place, text) {
  byId(place).textContent = text ?? '';
  byId(place).hidden = !text;
}
