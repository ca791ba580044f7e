// Every public method of the SDK's classes, called at least once: node methods.mjs HOST:PORT
//
// The classes are watched: at the end, methods that were never called are told as
// {"uncalled": [...]}. Else it speaks as chat.mjs does.

import assert from 'node:assert/strict';
import { inspect } from 'node:util';

import { Drafty, Person, Tinode, until } from './people.mjs';
import { tell } from './steps.mjs';

const host = process.argv[2];
const alice = new Person('alice', host);
const bob = new Person('bobby', host);
const called = new Set();
const known = new Set();

// Methods that need a file store, a push service or a database of the browser.
const NOT_CALLED = ['constructor', 'getLargeFileHelper', 'oobNotification', 'initStorage'];

function watch(name, object) {
  for (const method of Object.getOwnPropertyNames(object)) {
    const { value } = Object.getOwnPropertyDescriptor(object, method);
    if (typeof value !== 'function' || method.startsWith('_') || NOT_CALLED.includes(method)) {
      continue;
    }
    known.add(`${name}.${method}`);
    object[method] = function (...given) {
      called.add(`${name}.${method}`);
      return value.apply(this, given);
    };
  }
}

const { tinode } = alice;
watch('Tinode', Tinode.prototype);
watch('Me', Object.getPrototypeOf(tinode.getMeTopic()));
watch('Fnd', Object.getPrototypeOf(tinode.getFndTopic()));
watch('Topic', Object.getPrototypeOf(tinode.getTopic('grpabc')));
watch('Query', Object.getPrototypeOf(tinode.getTopic('grpabc').startMetaQuery()));
tinode.cacheRemTopic('grpabc');
let group;
let chat;

const refused = (promise, code) => assert.rejects(promise, error => error.code === code);

async function comeBack() {
  await alice.quiet();
  const gone = new Promise(resolve => { tinode.onDisconnect = resolve; });
  tinode.disconnect();
  await gone;
  tinode.onDisconnect = undefined;
  await tinode.connect();
}

const steps = {
  async 'account'() {
    await alice.register('Alice');
    await bob.register('Bob');
    assert.ok(tinode.isConnected());
    assert.ok(tinode.isMe(alice.id) && !tinode.isMe(bob.id));
    assert.ok(tinode.getServerInfo().ver);
    assert.equal(tinode.getServerParam('maxMessageSize'), 131072);
    assert.equal((await tinode.hello()).code, 201);
    tinode.setHumanLanguage('de');
    assert.ok(tinode.setDeviceToken('a-device'));
    assert.ok(tinode.setDeviceToken(null));
    assert.match(tinode.authorizeURL('/v0/file/s/x'), /secret=/);
    await refused(tinode.requestResetAuthSecret('basic', 'email', 'a@example.com'), 501);
    assert.equal((await tinode.updateAccountBasic(null, 'alice', 'another-password')).code, 200);
    tinode.setAuthToken(tinode.getAuthToken());
    await comeBack();
    await refused(tinode.loginBasic('alice', 'alice-password'), 401);
    assert.equal((await tinode.loginBasic('alice', 'another-password')).code, 200);
    assert.equal(tinode.getCurrentLogin(), 'alice');
    const { token } = tinode.getAuthToken();
    await comeBack();
    assert.equal((await tinode.loginToken(token)).code, 200);
    const answered = new Promise(resolve => { tinode.onNetworkProbe = resolve; });
    tinode.networkProbe();
    await answered;
    await alice.openMe();
    await bob.openMe();
  },

  async 'session without a topic object'() {
    const name = (await tinode.subscribe('new', undefined, {})).topic;
    const { seq } = (await tinode.publish(name, 'first')).params;
    assert.equal(seq, 1);
    assert.equal((await tinode.publishMessage(tinode.createMessage(name, '*second*'))).params.seq, 2);
    assert.ok((await tinode.getMeta(name, { what: 'desc' })).desc);
    assert.equal((await tinode.setMeta(name, { desc: { private: { comment: 'x' } } })).code, 200);
    assert.equal((await tinode.delMessages(name, [{ low: 1 }], true)).code, 200);
    tinode.noteKeyPress(name);
    tinode.note(name, 'read', 2);
    assert.equal((await tinode.delSubscription(name, bob.id)).code, 304);
    assert.equal((await tinode.delCredential('email', 'a@example.com')).code, 304);
    await tinode.leave(name, false);
    assert.equal((await tinode.delTopic(name, true)).code, 200);
    assert.equal((await tinode.report('report', bob.id)).code, 202);
    tinode.mapTopics((topic, key) => assert.ok(topic && key));
    assert.equal(tinode.cacheGetTopic('me'), alice.me);
    assert.ok(!tinode.isTopicOnline(bob.id));
    tinode.enableLogging(false);
    tinode.wantAkn(true);
  },

  async 'group'() {
    const topic = await alice.open(tinode.newGroupTopicName(), {
      desc: { public: { fn: 'All' }, private: { comment: 'mine' } }, tags: ['everymethod'],
    });
    group = topic;
    assert.ok(topic.isGroupType() && topic.isCommType() && topic.isSubscribed());
    assert.ok(!topic.isChannelType() && !topic.isP2PType() && !topic.isMeType() && !topic.isSelfType());
    assert.equal(topic.getType(), 'grp');
    assert.equal((await topic.publish('one')).params.seq, 1);
    assert.equal((await topic.publishMessage(topic.createMessage('two'))).params.seq, 2);
    assert.equal((await topic.publishDraft(topic.createMessage('three'))).params.seq, 3);
    await until('own message', () => topic.latestMessage()?.content === 'three');
    assert.equal(topic.maxMsgSeq(), 3);
    assert.ok(tinode.getTopicAccessMode(topic.name).isOwner());
    const query = topic.startMetaQuery().withData(1, 4, 10).withLaterData(5).withEarlierData(5)
      .withDesc().withLaterDesc().withSub().withLaterSub().withOneSub(null, alice.id)
      .withLaterOneSub(alice.id).withTags().withAux().withDel(0, 10).withLaterDel(10);
    assert.ok(query.extract('data'));
    const got = await topic.getMeta(query.build());
    assert.ok(got);
    await topic.getMeta(topic.startMetaQuery().withDataRanges([{ low: 1, hi: 3 }]).build());
    await topic.getMeta(topic.startMetaQuery().withDataList([1, 3]).build());
    assert.equal((await topic.setMeta({ tags: ['everymethod', 'renamed'] })).code, 200);
    assert.deepEqual(topic.tags(), ['everymethod', 'renamed']);
    assert.equal(topic.alias(), undefined);
    assert.equal((await topic.pinMessage(2, true)).code, 200);
    assert.deepEqual(topic.aux('pins'), [2]);
    await topic.getPinnedMessages();
    assert.equal((await topic.archive(true)).code, 200);
    assert.ok(topic.isArchived());
    await topic.archive(false);
    assert.ok(topic.getDefaultAccess().auth);
    await topic.invite(bob.id, 'JRWPS');
    await until('the invitation', () => bob.contact(topic.name)?.acs);
    const theirs = await bob.open(topic.name);
    await until('Bob is in', () => topic.subscriber(bob.id)?.online);
    let members = 0;
    topic.subscribers(() => { members += 1; });
    assert.equal(members, 2);
    assert.equal(topic.userDesc(bob.id).user, bob.id);
    await topic.updateMode(bob.id, 'JRW');
    await until('less access', () => theirs.getAccessMode().getGiven() === 'JRW');
    theirs.noteRecv(2);
    await until('received', () => topic.msgRecvCount(2) === 1);
    theirs.noteRead(3);
    await until('read', () => topic.msgReadCount(3) === 1);
    assert.equal(topic.msgReceiptCount('read', 3), 1);
    theirs.noteKeyPress();
    await until('typing', () => alice.notes.find(info => info.what === 'kp'));
    theirs.noteRecording(true);
    await until('recording', () => alice.notes.find(info => info.what === 'kpa'));
    theirs.note('read', 3);
    assert.equal((await topic.delMessagesList([1], true)).code, 200);
    assert.equal((await topic.delMessages([{ low: 2 }], true)).code, 200);
    assert.equal(topic.maxClearId(), 2);
    assert.equal((await topic.delMessagesAll(true)).code, 200);
    assert.equal((await topic.delSubscription(bob.id)).code, 200);
    await topic.leave(false);
    assert.equal((await topic.delTopic(true)).code, 200);
  },

  async 'me, search and a chat'() {
    let contacts = 0;
    chat = await alice.open(bob.id);
    await chat.publish('hello');
    await until('the chat', () => alice.me.getContact(bob.id));
    alice.me.contacts(() => { contacts += 1; });
    assert.ok(contacts);
    assert.ok(chat.isP2PType());
    assert.ok(alice.me.getAccessMode(bob.id).isJoiner());
    assert.ok(!alice.me.isArchived(bob.id));
    assert.deepEqual(alice.me.getCredentials(), []);
    await alice.me.pinTopic(bob.id, true);
    assert.equal(alice.me.pinnedTopicRank(bob.id), 1);
    await assert.rejects(alice.me.publish('x'));
    assert.equal((await alice.me.delCredential('email', 'a@example.com')).code, 304);
    await alice.find('basic:bobby');
    const fnd = tinode.getFndTopic();
    await assert.rejects(async () => fnd.publish('x'));
    assert.equal(await fnd.checkTagUniqueness('alias:unheard', alice.id), true);
    const { seq } = (await chat.publish(Drafty.videoCall(false))).params;
    chat.videoCall('hang-up', seq);
    chat.leaveDelayed(false, 10);
    await until('left', () => !chat.isSubscribed());
  },

  async 'what a topic keeps in memory'() {
    const topic = await alice.open(tinode.newGroupTopicName(), { desc: { public: { fn: 'Edits' } } });
    for (const text of ['one', 'two', 'three']) {
      await alice.say(topic.name, text);
    }
    await until('own messages', () => topic.messageCount() === 3);
    assert.equal(topic.minMsgSeq(), 1);
    assert.equal(topic.findMessage(2).content, 'two');
    assert.ok(topic.isNewMessage(3) && !topic.isNewMessage(2));
    assert.deepEqual(topic.msgHasMoreMessages(1, 3, false), []);
    const contents = [];
    topic.messages(msg => contents.push(msg.content));
    assert.deepEqual(contents, ['one', 'two', 'three']);

    // Bob has but the last one, and asks for the page before it.
    await topic.invite(bob.id, 'JRWPS');
    await until('the invitation', () => bob.contact(topic.name)?.acs);
    const theirs = bob.tinode.getTopic(topic.name);
    await theirs.subscribe(theirs.startMetaQuery().withDesc().withData(3, null, 1).build());
    await until('the last message', () => theirs.findMessage(3));
    assert.ok(!theirs.findMessage(1)?.content);
    assert.ok(theirs.msgHasMoreMessages(1, 3, false).length);
    await theirs.getMessagesPage(24, null, 0, 3, false);
    await until('the page before', () => theirs.findMessage(1) && theirs.findMessage(2));

    // An edit and its end reach the other side.
    const edit = topic.createMessage('two, mended');
    edit.head = { ...edit.head, replace: ':2' };
    const { seq } = (await topic.publishDraft(edit)).params;
    await until('the edit', () => theirs.latestMsgVersion(2)?.content === 'two, mended');
    const versions = [];
    theirs.messageVersions(2, msg => versions.push(msg.seq));
    assert.deepEqual(versions, [seq]);
    const ctrl = await topic.delMessagesEdits(2, true);
    assert.equal(ctrl.code, 200);
    await until('the end of both', () => !theirs.findMessage(2)?.content);
    const left = [];
    theirs.messages(msg => left.push(msg.content));
    assert.deepEqual(left.filter(Boolean), ['one', 'three']);

    // What is cancelled while it waits is never published.
    let release;
    const held = new Promise(resolve => { release = resolve; });
    const draft = topic.createMessage('never mind');
    const sent = topic.publishDraft(draft, held);
    const queued = [];
    topic.queuedMessages(msg => queued.push(msg.content));
    assert.deepEqual(queued, ['never mind']);
    assert.ok(topic.cancelSend(draft.seq));
    release();
    assert.equal((await sent).code, 300);
    assert.equal((await topic.publish('next')).params.seq, seq + 1);

    // A pinned chat is in the account, where another device finds it.
    await alice.me.pinTopic(topic.name, true);
    await alice.me.getMeta(alice.me.startMetaQuery().withDesc().build());
    assert.ok(alice.me.private.tpin.includes(topic.name));
    await assert.rejects(topic.pinTopic(topic.name, true));
    assert.equal(topic.pinnedTopicRank(topic.name), 0);

    // A mode that was only set here is replaced by the one that is true.
    assert.ok(!topic.setAccessMode({ mode: 'N' }).isJoiner());
    await topic.getMeta(topic.startMetaQuery().withDesc().build());
    assert.ok(topic.getAccessMode().isOwner());
    const talk = await alice.open(bob.id);
    assert.equal(talk.p2pPeerDesc().user, bob.id);
    assert.ok(talk.p2pPeerDesc().acs.isJoiner());
  },

  async 'coming back'() {
    const { token } = tinode.getAuthToken();
    await alice.quiet();
    const gone = new Promise(resolve => { tinode.onDisconnect = resolve; });
    tinode.disconnect();
    await gone;
    tinode.onDisconnect = undefined;
    const back = new Promise(resolve => { tinode.onConnect = resolve; });
    tinode.reconnect(true);
    await back;
    tinode.onConnect = undefined;
    assert.equal((await tinode.loginToken(token)).code, 200);
    await tinode.clearStorage();
    await alice.openMe();
    await until('the contacts again', () => alice.me.getContact(bob.id));
  },

  async 'the end'() {
    await alice.tinode.delCurrentUser(true);
    assert.equal(alice.id, null);
    await until('gone', () => !bob.contact(chat.name)?.online);
  },
};

for (const [step, work] of Object.entries(steps)) {
  try {
    await work();
    tell({ step });
  } catch (error) {
    tell({ step, failed: inspect(error) });
    process.exitCode = 1;
  }
}
tell({ uncalled: [...known].filter(name => !called.has(name)).sort() });
process.exit(0);
