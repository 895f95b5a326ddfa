// What the tests ask of a function in Node.js: `/name` calls the export of that name of `behaviors`.
const crypto = require('node:crypto');
const http = require('node:http');
const zlib = require('node:zlib');
const { double } = require('./lib/double');
const data = require('./data.json');
const greeter = require('greeter');

let calls = 0;
const begun = Math.random();

const behaviors = {
    echo: async (event) => ({ body: event.body, query: event.queryStringParameters, text: 'żółć 🎉' }),
    modules: async () => [double(21), data.answer, greeter.greeting, (await import('./late.mjs')).late, __filename, process.cwd()],
    calls: async () => ++calls,
    random: async () => [begun, Math.random(), crypto.randomUUID()],
    callback: (event, context, callback) => setTimeout(() => callback(null, 'later'), 5),
    succeed: (event, context) => context.succeed('succeeded'),
    binary: async () => {
        const bytes = zlib.gunzipSync(zlib.gzipSync(Buffer.from([0, 255, 128])));
        return { statusCode: 201, isBase64Encoded: true, body: bytes.toString('base64') };
    },
    big: async () => 'x'.repeat(1_000_000),
    log: async () => {
        console.log('hello', { a: [1] });
        console.error('oh');
        return 1;
    },
    fails: async () => {
        throw new RangeError('too far');
    },
    fail: (event, context, callback) => callback(new Error('called back')),
    rejects: async () => {
        Promise.reject(new Error('lost'));
        await new Promise((resolve) => setTimeout(resolve, 1_000));
    },
    never: async () => new Promise(() => {}),
    circle: async () => {
        const circle = {};
        circle.circle = circle;
        return circle;
    },
    recursion: async () => {
        const deeper = (n) => deeper(n + 1) + 1;
        try {
            return deeper(0);
        } catch (error) {
            return String(error);
        }
    },
    readonly: async () => {
        try {
            require('node:fs').writeFileSync('/var/task/x', '');
        } catch (error) {
            return error.code;
        }
    },
    tmp: async () => {
        const fs = require('node:fs');
        const before = fs.readdirSync('/tmp').sort();
        fs.writeFileSync('/tmp/x', 'né');
        fs.appendFileSync('/tmp/x', '!');
        await fs.promises.mkdir('/tmp/a/b', { recursive: true });
        fs.renameSync('/tmp/x', '/tmp/a/b/x');
        const folder = fs.mkdtempSync(require('node:path').join(require('node:os').tmpdir(), 'made-'));
        const text = fs.readFileSync('/tmp/a/b/x', 'utf8');
        const made = fs.statSync(folder).isDirectory();
        fs.rmSync('/tmp/a', { recursive: true });
        fs.rmdirSync(folder);
        fs.writeFileSync('/tmp/kept', 'x', { flag: 'a' });
        return [require('node:os').tmpdir(), text, made, before, fs.readdirSync('/tmp').sort(), fs.statSync('/tmp/kept').size];
    },
    fill: async () => {
        const fs = require('node:fs');
        try {
            fs.writeFileSync('/tmp/large', Buffer.alloc(5 << 20));
        } catch (error) {
            return error.code;
        } finally {
            fs.rmSync('/tmp/large', { force: true });
        }
    },
    timers: async () => {
        const order = [];
        setTimeout(() => order.push('timeout'), 2);
        setImmediate(() => order.push('immediate'));
        process.nextTick(() => order.push('tick'));
        await Promise.resolve();
        order.push('promise');
        await new Promise((resolve) => setTimeout(resolve, 20));
        return order.join();
    },
    hash: async () => crypto.createHash('sha256').update('x').digest('hex').slice(0, 8),
    fetch: async (event) => {
        try {
            const response = await fetch(event.rawQueryString, { method: 'POST', body: 'hi' });
            return [response.status, await response.text()];
        } catch (error) {
            return String(error);
        }
    },
    get: (event, context, callback) => {
        http.get(event.rawQueryString, (response) => {
            let text = '';
            response.on('data', (chunk) => (text += chunk));
            response.on('end', () => callback(null, [response.statusCode, text]));
        }).on('error', callback);
    },
    leaves: async () => {
        setTimeout(() => console.log('left behind'), 1);
        return 'at once';
    },
    waits: async () => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        return 'waited';
    },
};

exports.handler = (event, context, callback) => behaviors[event.rawPath.slice(1)](event, context, callback);
