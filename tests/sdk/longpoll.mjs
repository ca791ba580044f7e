// People who have no websockets chat: node longpoll.mjs HOST:PORT
//
// Writes one line of JSON per step, {"step": …} or {"step": …, "failed": …}, and ends at the
// first failure.

import assert from 'node:assert/strict';

import { Drafty, Person, until } from './people.mjs';
import { play } from './steps.mjs';

const host = process.argv[2];
const alice = new Person('alice', host, 'lp');
const bob = new Person('bobby', host, 'lp');

const steps = {
  async 'register'() {
    for (const [person, name] of [[alice, 'Alice'], [bob, 'Bob']]) {
      assert.equal((await person.register(name)).code, 200);
      await person.openMe();
      await until('own name', () => person.me.public?.fn === name);
    }
  },

  async 'find each other'() {
    assert.deepEqual((await alice.find('basic:bobby')).map(found => found.topic), [bob.id]);
    assert.equal((await bob.find('sdkalice'))[0].topic, alice.id);
  },

  async 'chat both ways'() {
    await alice.open(bob.id);
    await until('the new chat reaches Bob', () => bob.contact(alice.id)?.acs);
    await bob.open(alice.id);
    for (let n = 0; n < 20; n++) {
      await exchange(alice, bob, Drafty.parse(`*row* ${n}`));
      await exchange(bob, alice, `answer ${n}`);
    }
  },

  async 'receipts and typing'() {
    const seq = await alice.say(bob.id, 'did you read it?');
    await bob.hears(alice.id, seq);
    bob.tinode.getTopic(alice.id).noteRead(seq);
    await until('read', () => alice.tinode.getTopic(bob.id).msgReadCount(seq) === 1);
    bob.tinode.getTopic(alice.id).noteKeyPress();
    await until('kp', () => alice.notes.find(info => info.what === 'kp'));
  },

  async 'with somebody on a websocket'() {
    const carol = new Person('carol', host);
    await carol.register('Carol');
    await carol.openMe();
    await until('Bob is online', () => alice.contact(bob.id).online);
    await alice.open(carol.id);
    await until('the new chat reaches Carol', () => carol.contact(alice.id)?.acs);
    await carol.open(alice.id);
    await exchange(alice, carol, 'over a websocket');
    await exchange(carol, alice, 'over long polling');
    await carol.close();
    await until('Carol is away', () => !alice.contact(carol.id).online);
  },

  async 'all of it is there'() {
    const device = new Person('bobby', host, 'lp');
    await device.enter();
    await device.openMe();
    await device.readAll(alice.id);
    assert.deepEqual(device.read(alice.id).map(([seq]) => seq), [...Array(41).keys()].map(n => n + 1));
  },
};

// What `one` says reaches `other` live, unaltered.
async function exchange(one, other, content) {
  const seq = await one.say(other.id, content);
  const heard = await other.hears(one.id, seq);
  assert.deepEqual(heard.content, content);
  assert.equal(heard.from, one.id);
}

await play(steps);
