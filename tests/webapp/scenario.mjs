// Two people use the web application: node scenario.mjs HOST:PORT FOLDER
//
// Writes one line of JSON per step, {"step": …} or {"step": …, "failed": …}, and ends at the
// first failure. FOLDER gets a picture of both windows after each step.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { crc32, deflateSync } from 'node:zlib';

import { chromium } from 'playwright-core';

import { launched, walk } from '../browser.mjs';
import { Person } from './person.mjs';

const [host, folder] = process.argv.slice(2);
const IMAGES = new URL('node_modules/tinode-webapp/img/', import.meta.url);
const PICTURE = fileURLToPath(new URL('logo96.png', IMAGES));
// All orange: small enough to be sent in-band, also after it was scaled.
const ORANGE = 'iVBORw0KGgoAAAANSUhEUgAAAEAAAABAAQMAAACQp+OdAAAABlBMVEXmeBT///9zHQyEAAAAD0lEQVR4' +
  '2mNgGAWjgHwAAAJAAAHgTR1EAAAAAElFTkSuQmCC';
const FACE = { name: 'face.png', mimeType: 'image/png', buffer: Buffer.from(ORANGE, 'base64') };
const browser = await launched(chromium);
const alice = new Person(browser, host, 'alice', 'Alice', folder);
const bob = new Person(browser, host, 'bobby', 'Bob', folder);

const steps = {
  async 'register'() {
    for (const person of [alice, bob]) {
      await person.arrive();
      await person.register();
    }
  },

  async 'log out and log in'() {
    await alice.logOut();
    await alice.enter('not the password');
    await alice.page.locator('.info-box.error').waitFor();
    await alice.stayLoggedIn();
    await alice.enter();
    await alice.home();
  },

  async 'search'() {
    await alice.find('nobody-at-all');
    await alice.side('Search returned no results').waitFor();
    await alice.page.locator('input.search').fill('basic:bobby');
    await alice.page.keyboard.press('Enter');
    await alice.open('Bob');
  },

  async 'unread badge and receipts'() {
    await alice.say('Hello, Bob');
    await bob.unread('Alice').getByText('1', { exact: true }).waitFor();
    await bob.photograph('04 unread');
    await alice.reload(); // the page knows who is in a chat only when it opens it again
    await alice.open('Bob');
    await alice.mark('Hello, Bob', 'done').waitFor();
    await bob.open('Alice');
    await alice.mark('Hello, Bob', 'done_all').waitFor();
    await alice.mark('Hello, Bob', 'done_all blue').waitFor();
    await bob.unread('Alice').waitFor({ state: 'detached' });
  },

  async 'chat both ways'() {
    await alice.page.locator('#topic-last-seen').getByText('online').waitFor();
    await bob.type('Hello');
    await alice.page.locator('#topic-caption-panel .online.typing').waitFor();
    await bob.say('Hello, *Alice*, see https://example.com/', 'Hello, Alice');
    await alice.bubble('Hello, Alice').locator('a[href="https://example.com/"]').waitFor();
    await alice.bubble('Hello, Alice').locator('b, strong').waitFor();
    await alice.say('I see it');
    await bob.bubble('I see it').waitFor();
  },

  async 'edit'() {
    await alice.messageMenu('I see it', 'Edit');
    await alice.say('I read it');
    for (const person of [alice, bob]) {
      await person.bubble('I read it').getByText('edited').waitFor();
      await person.bubble('I see it').waitFor({ state: 'detached' });
    }
  },

  async 'reply'() {
    await bob.messageMenu('I read it', 'Reply');
    await bob.page.locator('#reply-quote-preview').waitFor();
    await bob.say('and I answer');
    await alice.bubble('and I answer').getByText('I read it').waitFor();
  },

  async 'delete'() {
    await alice.say('for nobody');
    await alice.say('for Bob only');
    await bob.bubble('for Bob only').waitFor();
    await alice.messageMenu('for nobody', 'Delete for All');
    await alice.messageMenu('for Bob only', 'Delete');
    await alice.bubble('for Bob only').waitFor({ state: 'detached' });
    await bob.bubble('for nobody').waitFor({ state: 'detached' });
    await bob.bubble('for Bob only').waitFor();
  },

  async 'image'() {
    await alice.showImage(PICTURE, 'a picture');
    await alice.mark('a picture', 'done_all blue').waitFor();
    await isShown(bob.bubble('a picture').locator('img'));
  },

  async 'image that is uploaded'() {
    await alice.showImage(noise(900), 'a large picture');
    await alice.mark('a large picture', 'done_all blue').waitFor();
    for (const person of [alice, bob]) {
      await isShown(person.bubble('a large picture').locator('img'));
    }
    const statuses = ({ responses }, start) =>
      responses.filter(([path]) => path.startsWith(start)).map(([, status]) => status);
    assert.deepEqual(statuses(alice, '/v0/file/u/'), [200]);
    await bob.bubble('a large picture').locator('img').click();
    await bob.page.locator('#image-preview img').waitFor();
    await isShown(bob.page.locator('#image-preview img'));
    assert.ok(statuses(bob, '/v0/file/s/').includes(200), 'fetched');
    await bob.icon('close', '#image-preview');
  },

  async 'group with an added member'() {
    await alice.createGroup('Tea party');
    await alice.say('Come in');
    await alice.addMember('Bob');
    await bob.contact('Tea party').waitFor();
    await bob.open('Tea party');
    await bob.bubble('Come in').waitFor();
    await bob.say('Is there any tea?');
    await alice.bubble('Is there any tea?').getByText('Bob', { exact: true }).waitFor();
    await alice.page.locator('#topic-last-seen').getByText('2 members').waitFor();
  },

  async 'forward'() {
    await alice.open('Bob');
    await alice.forward('and I answer', 'Tea party');
    await bob.bubble('and I answer').getByText('➦ Bob').waitFor();
  },

  async 'archive'() {
    await bob.contactMenu('Tea party', 'Archive');
    await bob.side('Archived contacts (1)').waitFor();
    await bob.contact('Tea party').waitFor({ state: 'detached' });
    await bob.reload();
    await bob.side('Archived contacts (1)').click();
    await bob.contactMenu('Tea party', 'Restore');
    await bob.back();
    await bob.contact('Tea party').waitFor();
  },

  async 'profile'() {
    await alice.changePicture(FACE);
    await alice.rename('Alice Liddell');
    await bob.contact('Alice Liddell').waitFor();
    await isShown(bob.contact('Alice Liddell').locator('.avatar-box img'));
    await alice.home();
  },

  async 'block'() {
    await bob.contactMenu('Alice Liddell', 'Block');
    await bob.press('OK');
    await bob.contact('Alice Liddell').waitFor({ state: 'detached' });
    await alice.open('Bob');
    await alice.say('Do you hear me?');
    await bob.photograph('14 blocked');
    await bob.openSettings('Security');
    await bob.page.getByText('Blocked contacts (1)').click();
    await bob.contactMenu('Alice Liddell', 'Unblock');
    await bob.backToChats();
    await bob.open('Alice Liddell');
    await bob.bubble('Do you hear me?').waitFor();
    await alice.mark('Do you hear me?', 'done_all blue').waitFor();
  },

  async 'reload with history'() {
    await alice.reload();
    await alice.open('Bob');
    await sees(alice, ['Hello, Bob', 'Hello, Alice', 'I read it', 'and I answer', 'a picture']);
    await alice.mark('I read it', 'done_all blue').waitFor();
    await alice.contact('Tea party').waitFor();
  },

  async 'history in a new browser'() {
    await bob.leave();
    await bob.arrive();
    await bob.enter();
    await bob.open('Alice Liddell');
    await sees(bob, ['Hello, Bob', 'Hello, Alice', 'I read it', 'and I answer', 'for Bob only']);
    await isShown(bob.bubble('a picture').locator('img'));
    assert.equal(await bob.bubble('for nobody').count(), 0);
    assert.equal(await bob.bubble('I see it').count(), 0);
    await bob.open('Tea party');
    await sees(bob, ['Come in', 'Is there any tea?', 'and I answer']);
  },

  async 'log out'() {
    for (const person of [alice, bob]) {
      await person.logOut();
    }
    await alice.reload();
    await alice.page.locator('#login-form').waitFor();
  },

  async 'nothing was missing'() {
    for (const person of [alice, bob]) {
      const refused = person.responses.filter(([, status]) => status >= 400);
      assert.deepEqual(new Set(refused.map(([path]) => path)), new Set(['/firebase-init.js']));
      assert.deepEqual(person.unknown, []);
    }
  },
};

// A picture that no format makes small.
function noise(size) {
  const chunk = (kind, data) => {
    const named = Buffer.concat([Buffer.from(kind), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length);
    frame.writeUInt32BE(crc32(named), 4);
    return Buffer.concat([frame.subarray(0, 4), named, frame.subarray(4)]);
  };
  const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
  head.writeUInt32BE(size);
  head.writeUInt32BE(size, 4);
  const rows = Array.from({ length: size }, () => [Buffer.alloc(1), randomBytes(3 * size)]);
  const parts = [chunk('IHDR', head), chunk('IDAT', deflateSync(Buffer.concat(rows.flat())))];
  const start = Buffer.from('89504e470d0a1a0a', 'hex');
  const buffer = Buffer.concat([start, ...parts, chunk('IEND', Buffer.alloc(0))]);
  return { name: 'noise.png', mimeType: 'image/png', buffer };
}

// An image is there and is more than a broken one's sign.
async function isShown(image) {
  await image.waitFor();
  assert.ok(await image.evaluate(async element => {
    await element.decode();
    return element.naturalWidth > 0;
  }));
}

async function sees(person, texts) {
  for (const text of texts) {
    await person.bubble(text).first().waitFor();
  }
}

await walk(steps, [alice, bob]);
await browser.close();
