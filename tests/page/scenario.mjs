// Two people use the chat page, one of them by keyboard: node scenario.mjs HOST:PORT FOLDER

import assert from 'node:assert/strict';

import { chromium } from 'playwright-core';

import { launched, please, walk } from '../browser.mjs';
import { PATIENCE, Person, Typist } from './person.mjs';
import { attack, harmless } from './stranger.mjs';

const [host, folder] = process.argv.slice(2);
const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

const browser = await launched(chromium);
const alice = new Person(browser, host, 'alice', 'Alice Liddell', folder);
const bob = new Typist(browser, host, 'bobby', 'Bob Dodgson', folder, { colorScheme: 'dark' });
const carol = new Person(browser, host, 'carol', 'Carol Cat', folder, PHONE);

const steps = {
  async 'refusals in words'() {
    await alice.arrive();
    await alice.accessible('the door');
    await alice.enter('wrong password');
    await alice.page.getByText('The login or the password is wrong.').waitFor();
    await alice.page.getByRole('button', { name: /^New here/ }).click();
    await alice.page.getByLabel('Your name').fill('Alice');
    await alice.page.getByLabel('Password').fill('x');
    await alice.button('Make an account').click();
    await alice.page.getByText('The login or the password is too short').waitFor();
    await alice.button('I have an account').click();
  },

  async 'register'() {
    await alice.register();
    await bob.arrive();
    await bob.register();
  },

  async 'a login that is taken'() {
    await carol.arrive();
    const { login } = carol;
    carol.login = 'alice';
    await carol.offer();
    await carol.page.getByText('This login is taken.').waitFor();
    carol.login = login;
    await carol.page.getByLabel('Login', { exact: true }).fill(login);
    await carol.button('Make an account').click();
    await carol.home();
  },

  async 'find people'() {
    await alice.search.fill('nobody-of-this-name');
    await alice.page.getByText('Nobody is found by that.').waitFor();
    await alice.find('bobby', 'Bob Dodgson');
    await alice.page.locator('#state').getByText('online').waitFor({ state: 'hidden' });
    assert.equal(await bob.chat('Alice Liddell').count(), 0); // looking is not writing
  },

  async 'first message, unread, receipts'() {
    await alice.say('Hello, Bob');
    await alice.sees('Hello, Bob', 'received');
    await alice.say('Are you there?');
    await bob.chat(/Alice Liddell.*2 unread/).waitFor();
    assert.match(await bob.page.title(), /^\(2\)/);
    await bob.photograph('05 unread');
    await bob.go('Alice Liddell');
    await bob.sees('Hello, Bob');
    await alice.sees('Hello, Bob', 'read');
    await bob.chat(/unread/).waitFor({ state: 'detached' });
  },

  async 'typing and presence'() {
    await alice.page.locator('#state').getByText('online', { exact: true }).waitFor();
    await bob.reach('Message');
    await bob.page.keyboard.type('Yes, I');
    await alice.page.locator('#state').getByText('typing…').waitFor();
    await bob.page.keyboard.type(' am');
    await bob.press('Enter');
    await alice.sees('Yes, I am');
    await alice.page.locator('#state').getByText('online', { exact: true }).waitFor();
  },

  async 'formatted text'() {
    await bob.reach('Message');
    await bob.page.keyboard.type('*bold* _slanted_ ~gone~ `code` 👩‍👩‍👧 https://example.com/a_b');
    await bob.press('Shift+Enter');
    await bob.page.keyboard.type('second *line*');
    await bob.press('Enter');
    for (const person of [alice, bob]) {
      const line = person.line('second line');
      await line.waitFor();
      assert.equal(await line.locator('strong').first().textContent(), 'bold');
      assert.equal(await line.locator('strong').last().textContent(), 'line');
      assert.equal(await line.locator('em').textContent(), 'slanted');
      assert.equal(await line.locator('del').textContent(), 'gone');
      assert.equal(await line.locator('code').textContent(), 'code');
      assert.equal(await line.getByRole('link').getAttribute('href'), 'https://example.com/a_b');
      assert.equal(await line.locator('br').count(), 1);
    }
  },

  async 'edit'() {
    await alice.say('I see yuo');
    await alice.act('I see yuo', 'Edit');
    await alice.say('I see *you*', 'I see you');
    await bob.sees('I see you', 'edited');
    assert.equal(await bob.line('I see yuo').count(), 0);
    await bob.say('So do I');
    await bob.sees('So do I', /sent|received|read/);
    await bob.press('ArrowUp');
    await bob.page.keyboard.type(', too');
    await bob.press('Enter');
    await alice.sees('So do I, too', 'edited');
  },

  async 'reply'() {
    await bob.act('I see you', 'Reply');
    await bob.page.getByText('Reply to: I see you').waitFor();
    await bob.say('and I answer');
    const quote = alice.line('and I answer').locator('blockquote');
    assert.equal(await quote.textContent(), 'Alice LiddellI see you');
    await alice.act('and I answer', 'Reply');
    await alice.say('and I answer that');
    await bob.press('Shift+Tab', 'Escape'); // back to the field
    assert.equal(await bob.here(), 'Message');
    await alice.act('and I answer that', 'Edit');
    assert.equal(await alice.field.inputValue(), 'and I answer that');
    await alice.say('and I have answered');
    const kept = bob.line('and I have answered').locator('blockquote');
    assert.equal(await kept.textContent(), 'Bob Dodgsonand I answer');
  },

  async 'delete'() {
    await alice.say('for nobody');
    await alice.say('for Bob only');
    await bob.sees('for Bob only');
    await alice.act('for nobody', 'Delete for everyone');
    await alice.button('Delete').click();
    await bob.line('for nobody').waitFor({ state: 'detached' });
    await alice.act('for Bob only', 'Delete for me');
    await alice.button('Delete').click();
    await alice.line('for Bob only').waitFor({ state: 'detached' });
    await bob.sees('for Bob only');
    await bob.act('So do I, too', 'Delete for everyone');
    await bob.reach('Delete');
    await bob.press('Enter');
    await alice.line('So do I').waitFor({ state: 'detached' });
  },

  async 'pictures'() {
    await alice.picture(await drawn(alice, 300, 200, 'image/png', false), 'a small picture');
    await alice.picture(await drawn(alice, 2400, 1600, 'image/png', true), 'a large picture');
    await isWide(bob, 'a small picture', 300);
    await isWide(bob, 'a large picture', 1280);
    assert.ok(alice.packets.some(packet => /^> .*"ref":"\/v0\/file\/s\/.*"attachments":\["\/v0\/file\/s\//.test(packet)));
    await alice.page.route('**/v0/file/u/', route => route.fulfill({ status: 503, json: { ctrl: { code: 503, text: 'full' } } }));
    await alice.picture(await drawn(alice, 2400, 1600, 'image/png', true), 'a picture without uploads');
    await alice.page.unroute('**/v0/file/u/');
    await isWide(bob, 'a picture without uploads', 300);
    await bob.line('a large picture').getByRole('button').first().focus();
    await bob.press('Enter');
    await bob.page.getByRole('dialog').getByRole('img').waitFor();
    await bob.accessible('a picture alone');
    await bob.photograph('11 a picture alone');
    await bob.press('Escape');
    await alice.page.locator('#file').setInputFiles({ name: 'x.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    await alice.page.getByRole('dialog').getByRole('button', { name: 'Send' }).click();
    await alice.page.getByText('This file is no picture').waitFor();
    await alice.field.fill('x'.repeat(140_000));
    await alice.button('Send').click();
    await alice.page.getByText('That is too long for one message.').waitFor();
    await alice.field.fill('');
  },

  async 'a group'() {
    await alice.button('New group').click();
    await alice.page.getByLabel('Name of the group').fill('Tea party');
    await alice.button('OK').click();
    await alice.page.getByRole('heading', { name: 'Tea party', level: 2 }).waitFor();
    await alice.say('Come in');
    await alice.choose('About this chat', 'Members');
    await alice.button('Add Bob Dodgson').click();
    await alice.button('Remove Bob Dodgson').waitFor();
    await alice.page.getByRole('searchbox', { name: /Login of somebody/ }).fill('carol');
    await alice.button('Find').click();
    await alice.button('Add Carol Cat').click();
    await alice.button('Remove Carol Cat').waitFor();
    await alice.accessible('the members');
    await alice.photograph('12 members');
    await alice.button('Close').click();
    await alice.page.locator('#state').getByText('3 members').waitFor();
    await bob.go('Tea party');
    await bob.sees('Come in');
    await bob.say('Is there tea?');
    await carol.go('Tea party');
    await carol.say('There is cake');
    for (const person of [alice, bob]) {
      await person.sees('There is cake');
      assert.equal(await person.line('There is cake').locator('.author').textContent(), 'Carol Cat');
    }
    await alice.sees('Come in', 'read');
  },

  async 'members go'() {
    await carol.choose('About this chat', 'Leave this chat');
    await carol.button('Leave').click();
    await carol.chat('Tea party').waitFor({ state: 'detached' });
    await alice.page.locator('#state').getByText('2 members').waitFor();
    await alice.choose('About this chat', 'Members');
    await alice.button('Remove Bob Dodgson').click();
    await bob.chat('Tea party').waitFor({ state: 'detached' });
    await alice.button('Close').click();
    await alice.choose('About this chat', 'Delete this group');
    await alice.button('Delete').click();
    await alice.chat('Tea party').waitFor({ state: 'detached' });
  },

  async 'history by pages'() {
    await bob.go('Alice Liddell');
    await alice.go('Bob Dodgson');
    await alice.aside(flood, { count: 120, login: 'alice', password: alice.password, key: await key(alice) });
    await bob.sees('number 119');
    await bob.page.reload();
    await bob.sees('number 119');
    assert.ok((await bob.texts()).length < 40);
    await bob.reach('Message');
    await bob.press('Shift+Tab');
    for (const end = Date.now() + PATIENCE; Date.now() < end && !(await bob.line('Hello, Bob').count()); ) {
      await bob.press('Home');
      await bob.page.waitForTimeout(50);
    }
    await bob.sees('Hello, Bob');
    const numbers = (await bob.texts()).filter(text => text.startsWith('number ')).map(text => Number(text.slice(7)));
    assert.deepEqual(numbers, Array.from({ length: 120 }, (_, i) => i));
    assert.equal(await bob.button('Show earlier messages').count(), 0);
    await bob.press('End'); // only now he has seen the newest
    await alice.sees('number 119', 'read');
    await bob.press('Escape');
  },

  async 'the server is killed'() {
    const talking = Promise.all([chatter(alice, 'A'), chatter(bob, 'B')]);
    await alice.sees('A 8');
    await please('kill');
    await alice.page.getByText('Connecting…').waitFor();
    await alice.photograph('15 nobody there');
    await please('start');
    await talking;
    for (const person of [alice, bob]) {
      for (const text of ['A 29', 'B 29']) {
        await person.sees(text);
      }
      await person.page.getByText('Connecting…').waitFor({ state: 'hidden' });
    }
    await alice.page.waitForFunction(() => !document.querySelector('.sending'));
    await bob.page.waitForFunction(() => !document.querySelector('.sending'));
    const said = (await alice.texts()).filter(text => /^[AB] \d+$/.test(text));
    assert.deepEqual((await bob.texts()).filter(text => /^[AB] \d+$/.test(text)), said);
    for (const letter of 'AB') {
      const own = said.filter(text => text.startsWith(letter));
      assert.deepEqual(own, Array.from({ length: 30 }, (_, i) => `${letter} ${i}`));
    }
    await bob.page.reload(); // and the server tells the same
    await bob.sees('A 29');
    // Not a click, for which the button is brought into view: who comes near the top is shown more
    // by that alone, and the button goes away from under the mouse.
    await bob.button('Show earlier messages').dispatchEvent('click');
    await bob.page.waitForFunction(() => document.querySelectorAll('.line').length > 40);
    const again = (await bob.texts()).filter(text => /^[AB] \d+$/.test(text));
    assert.deepEqual(again, said.slice(-again.length));
  },

  async 'a stranger attacks'() {
    await alice.aside(attack, { key: await key(alice), victim: 'alice' });
    await alice.chat(/<img src=x/).click();
    await alice.sees('the end');
    await alice.page.waitForTimeout(300);
    assert.deepEqual(await alice.aside(harmless), []);
    await alice.page.goto(`http://${host}/#/usr"><img src=x onerror=pwned=1>`);
    await alice.page.goto(`http://${host}/#/constructor`);
    assert.equal(await alice.page.evaluate(() => globalThis.pwned), undefined);
    await alice.go('Bob Dodgson');
  },

  async 'odd documents'() {
    assert.deepEqual(await alice.aside(oddDocuments), []);
  },

  async 'accessible in light and dark'() {
    await alice.accessible('light');
    await bob.accessible('dark');
    await bob.reach('My account', 'Shift+Tab');
    await bob.press('Enter');
    await bob.accessible('a menu');
    await bob.press('Escape');
    assert.equal(await bob.here(), 'My account');
    await alice.page.emulateMedia({ colorScheme: 'dark' });
    await alice.photograph('18 dark');
    await alice.page.emulateMedia({ colorScheme: 'light' });
  },

  async 'on a phone'() {
    await carol.accessible('the list on a phone');
    await carol.search.fill('alice');
    await carol.page.getByRole('navigation').getByRole('link', { name: 'Alice Liddell' }).tap();
    await carol.field.fill('from my phone');
    await carol.button('Send').tap();
    await carol.sees('from my phone', 'received');
    await alice.chat(/Carol Cat.*1 unread/).click();
    await alice.say('You have one?');
    await alice.sees('You have one?', 'read');
    await carol.accessible('a conversation on a phone');
    assert.equal(await carol.page.getByRole('navigation').isVisible(), false);
    await carol.photograph('19 conversation');
    await carol.page.getByRole('link', { name: 'Back to all chats' }).tap();
    await carol.chat('Alice Liddell').waitFor();
    assert.equal(await carol.field.isVisible(), false);
    await carol.chat('Alice Liddell').tap();
    await carol.sees('You have one?');
    await carol.page.goBack();
    await carol.chat('Alice Liddell').waitFor();
  },

  async 'two devices'() {
    const desk = new Person(browser, host, 'carol', 'Carol Cat', folder);
    await desk.arrive();
    await desk.enter();
    await desk.home();
    await alice.say('Which one do you use?');
    for (const device of [carol, desk]) {
      await device.chat(/Alice Liddell.*1 unread/).waitFor();
    }
    await desk.go('Alice Liddell');
    await desk.sees('Which one do you use?');
    await carol.chat(/unread/).waitFor({ state: 'detached' }); // read there is read here
    await carol.chat('Alice Liddell').tap();
    await desk.say('Both');
    await carol.line('Both').and(carol.page.locator('.mine')).waitFor();
    await carol.say('Really');
    await desk.line('Really').and(desk.page.locator('.mine')).waitFor();
    assert.deepEqual(desk.complaints, []);
    await desk.leave();
    await carol.page.goBack();
  },

  async 'a server that lies'() {
    const dora = new Person(browser, host, 'dora', 'Dora', folder);
    const answers = [
      socket => socket.send('rubbish'),
      socket => socket.send('[]'),
      socket => socket.send('{"ctrl":null}'),
      () => {}, // says nothing at all
      (socket, { hi }) => socket.send(JSON.stringify({ ctrl: { id: hi.id, code: 505, text: 'no', ts: '' } })),
    ];
    await dora.arrive(async page => {
      await page.clock.install();
      await page.routeWebSocket(/channels/, socket => {
        const answer = answers.shift();
        socket.onMessage(text => answer?.(socket, JSON.parse(text)));
      });
    });
    for (let i = 0; i < 100 && answers.length; i += 1) {
      await dora.page.clock.runFor(2_000);
    }
    await dora.page.clock.runFor(1_000);
    await dora.page.getByText('The server is too new for this page.').waitFor();
    assert.deepEqual(dora.complaints, []);
    await dora.leave();
  },

  async 'name changed'() {
    await alice.choose('My account', 'Change my name');
    await alice.page.getByLabel('Your name').last().fill('Alice Pleasance');
    await alice.button('OK').click();
    alice.name = 'Alice Pleasance';
    await alice.home();
    await bob.chat('Alice Pleasance').waitFor();
  },

  async 'reload and log out'() {
    await alice.page.reload();
    await alice.home();
    await alice.sees('You have one?');
    const token = await alice.page.evaluate(() => localStorage.getItem('chat.token'));
    await alice.choose('My account', 'Log out');
    await alice.button('Log in').waitFor();
    assert.equal(await alice.page.evaluate(() => localStorage.length + sessionStorage.length), 0);
    await alice.page.evaluate(token => localStorage.setItem('chat.token', token), token);
    await alice.page.reload(); // the token is void
    await alice.page.getByText('You are not logged in any more').waitFor();
    await alice.enter();
    await alice.home();
  },

  async 'ended from elsewhere'() {
    await alice.aside(endAll, { login: 'alice', password: alice.password, key: await key(alice) });
    await alice.page.getByText('This session was ended from elsewhere.').waitFor();
    await alice.accessible('an ended session');
    await alice.photograph('22 ended');
    await alice.button('Go on here').click();
    await alice.page.getByText('You are not logged in any more').waitFor();
  },

  async 'nothing went wrong unseen'() {
    for (const person of [alice, bob, carol]) {
      assert.deepEqual(person.complaints, [], person.login);
      assert.deepEqual(person.strangers, [], person.login);
      const paths = new Set(person.refused.map(([path]) => path));
      paths.delete('/v0/file/u/'); // a server without uploads
      assert.deepEqual([...paths], [], person.login);
    }
  },
};

async function key(person) {
  return person.page.evaluate(async () => (await (await fetch('/server.json')).json()).apikey);
}

// A picture as a file: one colour, or noise that does not compress.
async function drawn(person, width, height, type, noise) {
  const text = await person.page.evaluate(async ([width, height, type, noise]) => {
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const context = canvas.getContext('2d');
    context.fillStyle = 'orange';
    context.fillRect(0, 0, width, height);
    for (let i = 0; noise && i < 60_000; i += 1) {
      context.fillStyle = `hsl(${(i * 137) % 360} 80% ${(i * 31) % 90}%)`;
      context.fillRect((i * 7919) % width, (i * 104_729) % height, 9, 9);
    }
    return canvas.toDataURL(type).split(',')[1];
  }, [width, height, type, noise]);
  return { name: 'drawn.png', mimeType: type, buffer: Buffer.from(text, 'base64') };
}

// The picture is there, as wide as it should be at least.
async function isWide(person, caption, width) {
  const image = await person.line(caption).getByRole('img').elementHandle();
  await person.page.waitForFunction(([image, width]) => image.complete && image.naturalWidth >= width, [image, width]);
}

// Another client of the same person, in a hurry.
async function flood({ count, login, password, key }) {
  const { Connection, base64 } = await import('/protocol.js');
  const address = `ws://${location.host}/v0/channels?apikey=${key}`;
  const other = await Connection.open(address, () => {}, () => {});
  await other.ask('hi', { ver: '0.25' });
  await other.ask('login', { scheme: 'basic', secret: base64(`${login}:${password}`) });
  const topic = location.hash.slice(2);
  await other.ask('sub', { topic });
  const all = Array.from({ length: count }, (_, i) => other.ask('pub', { topic, content: `number ${i}` }));
  await Promise.all(all);
  other.close();
}

// Another client of the same person, who ends all sessions.
async function endAll({ login, password, key }) {
  const { Connection, base64 } = await import('/protocol.js');
  const address = `ws://${location.host}/v0/channels?apikey=${key}`;
  const other = await Connection.open(address, () => {}, () => {});
  await other.ask('hi', { ver: '0.25' });
  await other.ask('login', { scheme: 'basic', secret: base64(`${login}:${password}`) });
  await other.ask('sub', { topic: 'me' });
  await other.ask('del', { topic: 'me', what: 'session', session: '*' }).catch(() => {});
  other.close();
}

// Thirty lines, as fast as they can be typed, whatever becomes of the connection.
async function chatter(person, letter) {
  for (let i = 0; i < 30; i += 1) {
    await person.page.getByRole('textbox', { name: 'Message', exact: true }).fill(`${letter} ${i}`);
    await person.page.keyboard.press('Enter');
    await person.page.waitForTimeout(60);
  }
}

// What `read` and the rest make of documents that are none; and of typed text, there and back.
async function oddDocuments() {
  const { read, source, summary, write, leadingQuotation, quotation, joined } = await import('/drafty.js');
  const { shown } = await import('/shown.js');
  const files = { open: () => Promise.reject(new Error('none')) };
  const wrong = [];
  let seed = 1;
  const pick = list => list[(seed = (seed * 48_271) % 2_147_483_647) % list.length];
  const odd = [null, undefined, -1, 0, 1, 2, 3, 1e9, 1.5, NaN, '', 'x', 'ST', 'IM', 'LN', 'QQ', 'BR', 'EX', 'constructor', '__proto__', true, [], {}, [null], { data: 1 }];
  const style = () => pick([null, 7, { at: pick(odd), len: pick(odd), tp: pick(odd), key: pick(odd) }, { at: pick([0, 1, 2]), len: pick([1, 2, 9]), tp: pick(['ST', 'EM', 'QQ']) }]);
  const entity = () => pick([null, 'x', { tp: pick(odd) }, { tp: pick(['IM', 'LN', 'EX', 'MN']), data: { url: pick(odd), val: pick(odd), ref: pick(odd), mime: pick(odd), name: pick(odd), width: pick(odd) } }]);
  const many = make => Array.from({ length: pick([0, 1, 3, 9]) }, make);
  for (let i = 0; i < 3_000; i += 1) {
    const document = pick([pick(odd), { txt: pick(['', 'a', 'abc def', '👨‍👩‍👧é', 5]), fmt: pick([many(style), pick(odd)]), ent: pick([many(entity), pick(odd)]) }]);
    try {
      shown(document, files);
      source(document);
      summary(document);
      leadingQuotation(document);
    } catch (error) {
      wrong.push(`${JSON.stringify(document)}: ${error.stack}`);
    }
  }
  const deep = { txt: 'x'.repeat(5_000), fmt: Array.from({ length: 4_000 }, (_, i) => ({ at: 0, len: 5_000 - i, tp: 'ST' })) };
  if (shown(deep, files).length !== 1) {
    wrong.push('deep');
  }
  for (const text of ['plain', '*b* _i_ ~d~ `c`', 'a\nb\n*c*', '👩‍👩‍👧 *é* x', '*a _b_ c*', 'https://a.example/x_y_z *b*', '2*3*4', 'a_b_c', '`*no*`']) {
    const there = write(text);
    if (source(there) !== text) {
      wrong.push(`${text} became ${source(there)}`);
    }
    const answer = joined(joined(quotation('usrA', 'Ä 👩‍👩‍👧', there), write('\n')), there);
    if (source(answer) !== text || !leadingQuotation(answer)) {
      wrong.push(`the answer ${text} became ${source(answer)}`);
    }
  }
  const [bold] = read(write('👩‍👩‍👧 *x*')).slice(1);
  if (bold.kind !== 'ST' || bold.at !== 2) {
    wrong.push('places are not counted in what people take for characters');
  }
  return wrong;
}

await walk(steps, [alice, bob, carol]);
await browser.close();
