// Two people meet in a room, and a back end brings a third into another:
// node rooms.mjs HOST:PORT KEY

import assert from 'node:assert/strict';

import { Person, until } from './people.mjs';
import { play } from './steps.mjs';

const [host, key] = process.argv.slice(2);
const alice = new Person('alice', host);
const bob = new Person('bobby', host);
const carol = new Person('carol', host);
const heard = new Map([alice, bob, carol].map(person => [person, []]));
const came = []; // what Alice is told of others

async function ask(method, path, body) {
  const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
  const answer = await fetch(`http://${host}/v1/rooms/${path}`, { method, headers, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
}

function listen(person, topic) {
  topic.onData = data => data && heard.get(person).push(data.content);
  return topic;
}

async function enter(person, name) {
  const topic = listen(person, person.tinode.getTopic(name));
  const query = topic.startMetaQuery().withLaterDesc().withLaterSub().withLaterData(24).build();
  assert.ok((await topic.subscribe(query)).code < 400);
  return topic;
}

await play({
  async 'come'() {
    for (const person of heard.keys()) {
      await person.register(person.login);
      await person.openMe();
    }
    const topic = await enter(alice, 'tmplobby');
    topic.onPres = pres => came.push([pres.what, pres.src]);
    await enter(bob, 'tmplobby');
    assert.ok(topic.getAccessMode().isWriter());
  },

  async 'speak'() {
    const topic = alice.tinode.getTopic('tmplobby');
    assert.equal((await topic.publish('hello', true)).params.seq, 1);
    await bob.tinode.getTopic('tmplobby').publish('hi', true);
    await until('both have heard', () => heard.get(alice).length === 2 && heard.get(bob).length === 2);
    for (const person of [alice, bob]) {
      assert.deepEqual(heard.get(person).sort(), ['hello', 'hi']);
    }
  },

  async 'go'() {
    await bob.tinode.getTopic('tmplobby').leave(false);
    await until('Alice is told', () => came.length === 2);
    assert.deepEqual(came, [['on', bob.id], ['off', bob.id]]);
    let contacts = 0;
    alice.me.contacts(() => { contacts += 1; });
    assert.equal(contacts, 0);
  },

  async 'be brought in and put out'() {
    await ask('PUT', `tmpother/members/${carol.id}`, {});
    const topic = await enter(carol, 'tmpother'); // 304: she is there
    await ask('POST', 'tmpother/messages', { content: 'welcome' });
    await until('Carol has heard', () => heard.get(carol).length === 1);
    await ask('DELETE', `tmpother/members/${carol.id}`);
    await until('Carol is out', () => !topic.isSubscribed());
  },
});
