// A person before a browser window: looks for what is written there, types and clicks.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { stayInside } from './outside.mjs';

const PATIENCE = 30_000; // ms
const WINDOW = { width: 1200, height: 760 };

export class Person {
  constructor(browser, host, login, name, folder) {
    Object.assign(this, { browser, host, login, name, folder });
    this.password = `${login}-password`;
    this.packets = []; // all that went over the websocket, as text
    this.complaints = []; // of the page
    this.responses = []; // [path, status, content-type] from our server
    this.attaching = new Set(); // ids of {sub} that are not answered
  }

  // A window of their own, with nothing kept from before.
  async arrive() {
    this.context = await this.browser.newContext({ viewport: WINDOW, locale: 'en-US' });
    this.context.setDefaultTimeout(PATIENCE);
    this.unknown = await stayInside(this.context, this.host);
    this.page = await this.context.newPage();
    this.page.on('pageerror', error => this.complaints.push(String(error.stack)));
    this.page.on('response', response => this.note(response));
    this.page.on('websocket', socket => this.listen(socket));
    await this.page.goto(`http://${this.host}/`);
  }

  listen(socket) {
    this.attaching.clear();
    socket.on('framesent', ({ payload }) => {
      this.packets.push(`> ${payload}`);
      const { sub } = JSON.parse(payload);
      if (sub) {
        this.attaching.add(sub.id);
      }
    });
    socket.on('framereceived', ({ payload }) => {
      this.packets.push(`< ${payload}`);
      this.attaching.delete(JSON.parse(payload).ctrl?.id);
    });
  }

  note(response) {
    const url = new URL(response.url());
    if (url.host === this.host) {
      this.responses.push([url.pathname, response.status(), response.headers()['content-type']]);
    }
  }

  async leave() {
    await this.context.close();
  }

  // Keep what is on the screen, and what was said to get there.
  async photograph(title) {
    mkdirSync(this.folder, { recursive: true });
    await this.page.screenshot({ path: join(this.folder, `${title} ${this.login}.png`) });
    writeFileSync(join(this.folder, `${this.login}.packets.txt`), this.packets.join('\n'));
  }

  // --- what is there

  side(text) {
    return this.page.locator('#sidepanel').getByText(text, { exact: true });
  }

  contact(title) {
    const name = this.page.locator('.contact-title').getByText(title, { exact: true });
    return this.page.locator('#sidepanel .contact-box > li').filter({ has: name });
  }

  bubble(text) {
    return this.page.locator('#scroller > li').filter({ hasText: text });
  }

  // The sign beside a message of one's own: `done`, `done_all`, `done_all blue`.
  mark(text, sign) {
    const [icon, colour] = sign.split(' ');
    const kind = colour ? `.${colour}` : ':not(.blue)';
    const marker = this.bubble(text).locator(`.timestamp i.material-icons${kind}`);
    return marker.getByText(icon, { exact: true });
  }

  unread(title) {
    return this.contact(title).locator('.unread');
  }

  // The list of chats is shown.
  async home() {
    const title = this.page.locator('#sidepanel-title').getByText(this.name, { exact: true });
    await title.waitFor();
  }

  // --- what one can do

  async icon(name, where = '#sidepanel .caption-panel') {
    await this.page.locator(where).getByText(name, { exact: true }).click();
  }

  async press(label) {
    await this.page.getByRole('button', { name: label, exact: true }).click();
  }

  async register() {
    await this.icon('person_add');
    await this.page.getByPlaceholder('Login').fill(this.login);
    await this.page.getByPlaceholder('Password').fill(this.password);
    await this.page.getByPlaceholder('Full name').fill(this.name);
    await this.page.getByPlaceholder('Email').fill(`${this.login}@example.com`);
    await this.stayLoggedIn();
    await this.press('Sign up');
    await this.home();
  }

  async enter(password = this.password) {
    await this.page.getByPlaceholder('Login').fill(this.login);
    await this.page.getByPlaceholder('Password').fill(password);
    await this.press('Sign in');
  }

  async stayLoggedIn() {
    const box = this.page.locator('#save-token');
    if ((await box.textContent()) !== 'check_box') {
      await box.click();
    }
    await box.getByText('check_box', { exact: true }).waitFor();
  }

  async openSettings(panel) {
    await this.icon('settings');
    await this.page.locator('#sidepanel .flat-button').filter({ hasText: panel }).click();
  }

  async back() {
    await this.icon('arrow_back');
  }

  async backToChats() {
    while (await this.page.locator('#sidepanel .caption-panel').getByText('arrow_back').count()) {
      await this.back();
    }
    await this.home();
  }

  async logOut() {
    await this.openSettings('Security');
    await this.page.locator('.flat-button').filter({ hasText: 'Logout' }).click();
    await this.page.locator('#login-form').waitFor();
  }

  // The search panel shows what has this tag.
  async find(tag) {
    await this.icon('chat');
    await this.page.locator('input.search').fill(tag);
    await this.page.keyboard.press('Enter');
  }

  async open(title) {
    await this.contact(title).click();
    await this.page.locator('#topic-title').getByText(title, { exact: true }).waitFor();
  }

  async accept() {
    await this.press('Accept');
    await this.page.locator('#send-message-input').waitFor();
  }

  async type(text) {
    await this.page.locator('#send-message-input').fill(text);
  }

  // The application sends twice what is said between its {sub} and the answer.
  async attached() {
    await until(() => this.attaching.size === 0);
  }

  async say(text, shown = text) {
    await this.attached();
    await this.type(text);
    await this.page.keyboard.press('Enter');
    await this.bubble(shown).waitFor();
  }

  async showImage(path, caption) {
    await this.attached();
    const input = '#send-message-panel input[type=file][accept^=image]';
    await this.page.locator(input).setInputFiles(path);
    await this.page.locator('#image-preview textarea').fill(caption);
    await this.page.locator('#image-preview').getByTitle('Send message').click();
    await this.bubble(caption).waitFor();
  }

  async messageMenu(text, item) {
    const bubble = this.bubble(text);
    await bubble.hover();
    await bubble.locator('.menuTrigger a').click();
    await this.choose(item);
  }

  async contactMenu(title, item) {
    await this.contact(title).hover();
    await this.contact(title).locator('.menuTrigger a').click();
    await this.choose(item);
  }

  async topicMenu(item) {
    await this.icon('more_vert', '#topic-caption-panel');
    await this.choose(item);
  }

  async choose(item) {
    await this.page.locator('ul.menu').getByText(item, { exact: true }).click();
  }

  async createGroup(title) {
    await this.icon('chat');
    await this.side('new group').click();
    await this.page.locator('#new-topic-fn').fill(title);
    await this.press('Create');
    await this.contact(title).waitFor();
  }

  async addMember(name) {
    await this.topicMenu('Info');
    await this.page.locator('#info-view').getByText('Add members').click();
    await this.page.locator('#group-manager .contact-box li').filter({ hasText: name }).click();
    await this.press('OK');
  }

  async forward(text, title) {
    await this.messageMenu(text, 'Forward');
    await this.page.locator('.forward-dialog .contact-box li').filter({ hasText: title }).click();
    await this.page.locator('#topic-title').getByText(title, { exact: true }).waitFor();
    await this.attached();
    await this.page.getByTitle('Send message').click();
  }

  async reload() {
    await this.page.reload();
  }

  async openProfile() {
    await this.icon('settings');
    await this.page.locator('#sidepanel .flat-button.float-right').click();
  }

  async rename(name) {
    await this.openProfile();
    await this.page.locator('#sidepanel').getByText(this.name, { exact: true }).last().click();
    await this.page.getByPlaceholder('Full name').fill(name);
    await this.page.keyboard.press('Enter');
    this.name = name;
    await this.backToChats();
  }

  async changePicture(file) {
    await this.openProfile();
    await this.page.locator('.avatar-upload input[type=file]').setInputFiles(file);
    await this.page.locator('.cropper img').waitFor();
    await this.press('OK');
    await this.page.locator('.avatar-upload img.preview').waitFor();
    await this.backToChats();
  }
}

async function until(holds) {
  const end = Date.now() + PATIENCE;
  while (!holds()) {
    if (Date.now() > end) {
      throw new Error(`waited in vain for ${holds}`);
    }
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
