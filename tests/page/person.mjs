// Somebody before the chat page: looks for what is written there, types and clicks. Everything is
// found by role and name, as somebody finds it who does not see the page.

import assert from 'node:assert/strict';
import { readFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export const PATIENCE = 30_000; // ms
const WINDOW = { width: 1100, height: 720 };
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const MOST_STOPS = 80;

export class Person {
  constructor(browser, host, login, name, folder, options = {}) {
    Object.assign(this, { browser, host, login, name, folder, options });
    this.password = `${login}-password`;
    this.packets = [];
    this.complaints = []; // of the page, and of the browser about the page
    this.strangers = []; // addresses of other hosts
    this.refused = []; // [path, status]
  }

  // With a window of one's own; `before` may prepare it.
  async arrive(before) {
    this.context = await this.browser.newContext({ viewport: WINDOW, locale: 'en-US', ...this.options });
    this.context.setDefaultTimeout(PATIENCE);
    this.page = await this.context.newPage();
    await before?.(this.page);
    this.page.on('pageerror', error => this.complaints.push(String(error.stack)));
    this.page.on('console', message => this.hear(message));
    this.page.on('dialog', dialog => (this.complaints.push(`dialog: ${dialog.message()}`), dialog.accept()));
    this.page.on('request', request => this.note(request));
    this.page.on('response', response => this.judge(response));
    this.page.on('websocket', socket => this.listen(socket));
    await this.page.goto(`http://${this.host}/`);
  }

  hear(message) {
    if (message.type() === 'error' && !/WebSocket|Failed to load resource/.test(message.text())) {
      this.complaints.push(message.text());
    }
  }

  note(request) {
    const url = new URL(request.url());
    if (url.protocol.startsWith('http') && url.host !== this.host) {
      this.strangers.push(request.url());
    }
  }

  judge(response) {
    if (response.status() >= 400) {
      this.refused.push([new URL(response.url()).pathname, response.status()]);
    }
  }

  listen(socket) {
    socket.on('framesent', ({ payload }) => this.packets.push(`> ${payload}`));
    socket.on('framereceived', ({ payload }) => this.packets.push(`< ${payload}`));
  }

  async leave() {
    await this.context.close();
  }

  async photograph(title) {
    mkdirSync(this.folder, { recursive: true });
    await this.page.screenshot({ path: join(this.folder, `${title} ${this.login}.png`) });
    writeFileSync(join(this.folder, `${this.login}.packets.txt`), this.packets.join('\n'));
  }

  // --- what is there

  button(name) {
    return this.page.getByRole('button', { name, exact: true });
  }

  chat(name) {
    return this.page.getByRole('navigation').getByRole('link', { name });
  }

  line(text) {
    return this.page.getByRole('list', { name: 'Messages' }).getByRole('listitem').filter({ hasText: text });
  }

  get field() {
    return this.page.getByRole('textbox', { name: 'Message', exact: true });
  }

  get search() {
    return this.page.getByRole('searchbox', { name: 'Find people or chats' });
  }

  async sees(text, state = '') {
    await this.line(text).filter({ hasText: state }).first().waitFor();
  }

  async home() {
    await this.page.getByRole('heading', { name: this.name, exact: true, level: 1 }).waitFor();
  }

  // The bubbles, in order.
  texts() {
    return this.page.locator('.line .content').allTextContents();
  }

  // Nothing that axe calls serious, and nothing wider than the window.
  async accessible(what) {
    await this.page.evaluate(AXE);
    const { violations } = await this.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html).join(' | ')}`);
    assert.deepEqual(told, [], what);
    const overflow = await this.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${what}: ${overflow} pixels too wide`);
  }

  // --- what one can do

  async register() {
    await this.offer();
    await this.home();
  }

  async offer() {
    await this.page.getByRole('button', { name: /^New here/ }).click();
    await this.page.getByLabel('Your name').fill(this.name);
    await this.page.getByLabel('Login', { exact: true }).fill(this.login);
    await this.page.getByLabel('Password').fill(this.password);
    await this.button('Make an account').click();
  }

  async enter(password = this.password) {
    await this.page.getByLabel('Login', { exact: true }).fill(this.login);
    await this.page.getByLabel('Password').fill(password);
    await this.button('Log in').click();
  }

  async find(login, name) {
    await this.search.fill(login);
    await this.chat(name).click();
    await this.page.getByRole('heading', { name, level: 2 }).waitFor();
  }

  async go(name) {
    await this.chat(name).click();
    await this.page.getByRole('heading', { name, level: 2 }).waitFor();
  }

  async say(text, shown = text) {
    await this.field.fill(text);
    await this.button('Send').click();
    await this.sees(shown);
  }

  async act(text, entry) {
    const line = this.line(text).last();
    await line.hover();
    await line.getByRole('button', { name: /^Actions for message/ }).click();
    await this.page.getByRole('menuitem', { name: entry, exact: true }).click();
  }

  async choose(button, entry) {
    await this.button(button).click();
    await this.page.getByRole('menuitem', { name: entry, exact: true }).click();
  }

  async picture(file, caption) {
    await this.page.locator('#file').setInputFiles(file);
    await this.page.getByRole('dialog').getByLabel('Caption').fill(caption);
    await this.page.getByRole('dialog').getByRole('button', { name: 'Send' }).click();
    await this.sees(caption, /sent|received|read/);
  }

  // Run something in the page, with its own modules: another client, beside it.
  aside(work, argument) {
    return this.page.evaluate(work, argument);
  }
}

// One who has no mouse.
export class Typist extends Person {
  async press(...keys) {
    for (const key of keys) {
      await this.page.keyboard.press(key);
    }
  }

  // What has the focus, as it is named.
  here() {
    return this.page.evaluate(() => {
      const element = document.activeElement;
      return element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent.trim() ?? element.textContent.trim();
    });
  }

  // Go on with Tab (or another key) until something of this name has the focus.
  async reach(name, key = 'Tab') {
    const passed = [];
    for (let stop = 0; stop < MOST_STOPS; stop += 1) {
      const here = await this.here();
      if (name instanceof RegExp ? name.test(here) : here === name) {
        return;
      }
      passed.push(here);
      await this.press(key);
    }
    assert.fail(`${name} is not reached by ${key}: ${passed.slice(0, 20).join(' > ')}`);
  }

  async fillIn(name, text) {
    await this.reach(name);
    await this.page.keyboard.type(text);
  }

  async register() {
    await this.reach(/^New here/);
    await this.press('Enter');
    await this.reach('Your name', 'Shift+Tab');
    await this.page.keyboard.type(this.name);
    await this.fillIn('Login', this.login);
    await this.fillIn('Password', this.password);
    await this.press('Enter');
    await this.home();
  }

  async go(name) {
    await this.reach('Find people or chats', 'Shift+Tab');
    await this.reach(new RegExp(name), 'ArrowDown');
    await this.press('Enter');
    await this.page.getByRole('heading', { name, level: 2 }).waitFor();
    await this.reach('Message');
  }

  async say(text, shown = text) {
    await this.reach('Message');
    await this.page.keyboard.type(text);
    await this.press('Enter');
    await this.sees(shown);
  }

  // By way of the message, which Enter opens.
  async act(text, entry) {
    await this.reach('Message');
    await this.press('Shift+Tab', 'End');
    for (let stop = 0; stop < MOST_STOPS && !(await this.here()).includes(text); stop += 1) {
      await this.press('ArrowUp');
      if ((await this.page.evaluate(() => document.activeElement.textContent)).includes(text)) {
        break;
      }
    }
    await this.press('Enter');
    await this.reach(entry, 'ArrowDown');
    await this.press('Enter');
  }
}
