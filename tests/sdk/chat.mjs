// Two people chat: node chat.mjs HOST:PORT
//
// Writes one line of JSON per step, {"step": …} or {"step": …, "failed": …}, and ends at the
// first failure. At {"kill": true} whoever started it kills the server and starts it again.

import assert from 'node:assert/strict';

import { Drafty, Person, Tinode, until } from './people.mjs';
import { play, tell } from './steps.mjs';

const host = process.argv[2];
const alice = new Person('alice', host);
const bob = new Person('bobby', host);
const said = new Map(); // topic of the group -> [number, author, content] that were acknowledged
let group;

const steps = {
  async 'register'() {
    for (const [person, name] of [[alice, 'Alice'], [bob, 'Bob']]) {
      const ctrl = await person.register(name);
      assert.equal(ctrl.code, 200);
      assert.ok(person.tinode.isAuthenticated());
      assert.match(person.id, /^usr/);
      assert.ok(person.tinode.getAuthToken().token);
      await person.openMe();
      await until('own name', () => person.me.public?.fn === name);
    }
  },

  async 'find each other'() {
    assert.deepEqual((await alice.find('basic:bobby')).map(found => found.topic), [bob.id]);
    const [found] = await bob.find('sdkalice');
    assert.equal(found.topic, alice.id);
    assert.equal(found.public.fn, 'Alice');
    assert.deepEqual(await alice.find('sdknobody'), []);
  },

  async 'chat with formatted text'() {
    await alice.open(bob.id);
    await until('the new chat reaches Bob', () => bob.contact(alice.id)?.acs);
    await bob.open(alice.id);
    const fromAlice = Drafty.parse('*Hello* _Bob_, see https://example.com/ and `code`');
    const fromBob = Drafty.appendLink(Drafty.parse('Hi 👋 ~Alice~'), { txt: 'x', url: '/y' });
    await exchange(alice, bob, bob.id, alice.id, fromAlice);
    await exchange(bob, alice, alice.id, bob.id, fromBob);
    const heard = alice.tinode.getTopic(bob.id).findMessage(2);
    assert.equal(heard.head.mime, Drafty.getContentType());
    assert.ok(heard.ts instanceof Date);
  },

  async 'receipts'() {
    const seq = await alice.say(bob.id, 'did you read it?');
    const mine = alice.tinode.getTopic(bob.id);
    await bob.hears(alice.id, seq);
    await until('received', () => mine.msgRecvCount(seq) === 1);
    assert.equal(mine.msgReadCount(seq), 0);
    bob.tinode.getTopic(alice.id).noteRead(seq);
    await until('read', () => mine.msgReadCount(seq) === 1);
    await until('nothing unread', () => bob.contact(alice.id).unread === 0);
  },

  async 'typing'() {
    bob.tinode.getTopic(alice.id).noteKeyPress();
    const note = await until('kp', () => alice.notes.find(info => info.what === 'kp'));
    assert.equal(note.from, bob.id);
  },

  async 'presence'() {
    await until('Bob is online', () => alice.contact(bob.id).online);
    const { token } = bob.tinode.getAuthToken();
    await bob.quiet();
    bob.tinode.disconnect();
    await until('Bob is away', () => !alice.contact(bob.id).online);
    await bob.tinode.connect();
    assert.equal((await bob.tinode.loginToken(token)).code, 200);
    await bob.openMe();
    await until('Bob is back', () => alice.contact(bob.id).online);
    await bob.open(alice.id);
  },

  async 'profile'() {
    await alice.me.setMeta({ desc: { public: { fn: 'Alice Liddell' } } });
    await until('the new name', () => bob.contact(alice.id).public.fn === 'Alice Liddell');
    await alice.me.setMeta({ tags: [...alice.me.tags(), 'wonderland'] });
    assert.equal((await bob.find('wonderland'))[0].public.fn, 'Alice Liddell');
  },

  async 'group and invitation'() {
    const name = alice.tinode.newGroupTopicName();
    const topic = await alice.open(name, { desc: { public: { fn: 'Tea party' } } });
    group = topic.name;
    assert.match(group, /^grp/);
    assert.ok(topic.getAccessMode().isOwner());
    await topic.invite(bob.id, 'JRWPS');
    await until('the invitation', () => bob.contact(group)?.public?.fn === 'Tea party');
    await bob.open(group);
    await until('Bob is in', () => topic.subscriber(bob.id)?.online);
    said.set(group, []);
    await record(bob, 'Is there any tea?');
    await alice.hears(group, 1);
  },

  async 'history by pages'() {
    for (let n = 0; n < 130; n++) {
      await record(n % 3 ? alice : bob, Drafty.parse(`message *${n}*`));
    }
    await bob.hears(group, 131);
    const device = new Person('bobby', host);
    await device.enter();
    await device.openMe();
    const sizes = await device.readAll(group);
    assert.deepEqual(sizes, [24, 24, 24, 24, 24, 11]);
    assert.deepEqual(device.read(group), said.get(group));
    await device.close();
  },

  async 'come back after a kill'() {
    alice.comeBackAlways([bob.id, group]);
    bob.comeBackAlways([alice.id, group]);
    const talking = [talk(alice), talk(bob)];
    await until('a conversation', () => said.get(group).length > 150);
    tell({ kill: true });
    await until('both are back', () => alice.returns && bob.returns);
    const before = said.get(group).length;
    await until('they talk again', () => said.get(group).length > before + 10);
    silent = true;
    await Promise.all(talking);
  },

  async 'read it all again'() {
    const device = new Person('alice', host);
    await device.enter();
    await device.openMe();
    await device.readAll(group);
    const stored = device.read(group);
    assert.deepEqual(stored.map(([seq]) => seq), stored.map((_, n) => n + 1));
    const acknowledged = said.get(group).sort(([one], [other]) => one - other);
    const numbers = new Set(acknowledged.map(([seq]) => seq));
    assert.equal(numbers.size, acknowledged.length);
    assert.deepEqual(stored.filter(([seq]) => numbers.has(seq)), acknowledged);
    await device.readAll(bob.id);
    assert.equal(device.read(bob.id).length, 3);
    await device.close();
  },
};

let silent = false;

// What `one` says reaches `other` live, unaltered.
async function exchange(one, other, there, back, content) {
  const seq = await one.say(there, content);
  const heard = await other.hears(back, seq);
  assert.deepEqual(heard.content, content);
  assert.equal(heard.from, one.id);
}

// Say it to the group; it counts as said if the server acknowledged it.
async function record(person, content) {
  const seq = await person.say(group, content);
  if (seq) {
    said.get(group).push([seq, person.id, content]);
  }
}

// Talk to the group without end, whenever there is a connection.
async function talk(person) {
  for (let n = 0; !silent; n++) {
    await record(person, Drafty.parse(`${person.login} goes on _${n}_`));
    await new Promise(resolve => setTimeout(resolve, 2));
  }
}

tell({ sdk: Tinode.getLibrary(), node: process.version });
await play(steps);
