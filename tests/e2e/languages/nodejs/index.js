// What a function may do, by the path of the request; `tests/e2e/languages.rs` says what each leads to.

const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

let calls = 0;
const atInit = Math.random();
console.log('printed in INIT');
fs.writeFileSync('/tmp/init', 'written in INIT');

const fail = () => {
    throw new RangeError('no apples left');
};

// What is written at once.
const PART = 1 << 20;

const tmp = () => {
    const before = fs.readdirSync('/tmp').sort();
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'made-'));
    const file = path.join(folder, 'a');
    fs.writeFileSync(file, 'né');
    fs.renameSync(file, file + '2');
    fs.appendFileSync(file + '2', '2');
    const text = fs.readFileSync(file + '2', 'utf8');
    fs.rmSync(folder, { recursive: true });
    fs.appendFileSync('/tmp/kept', 'x');
    const after = fs.readdirSync('/tmp').sort();
    return { where: os.tmpdir(), text, before, after, size: fs.statSync('/tmp/kept').size };
};

const fill = () => {
    const file = fs.openSync('/tmp/large', 'w');
    try {
        for (let part = 0; part < 100; part++) fs.writeSync(file, Buffer.alloc(PART));
    } catch (error) {
        return [error.name, error.code === 'ENOSPC', error.message, fs.statSync('/tmp/large').size];
    } finally {
        fs.closeSync(file);
        fs.rmSync('/tmp/large');
    }
};

const large = () => {
    const part = crypto.randomBytes(PART);
    const file = fs.openSync('/tmp/large', 'w+');
    for (let count = 0; count < 20; count++) fs.writeSync(file, part);
    let same = true;
    const read = Buffer.alloc(PART);
    for (let count = 0; count < 20; count++) {
        let filled = 0;
        while (filled < PART) {
            const bytes = fs.readSync(file, read, filled, PART - filled, count * PART + filled);
            if (bytes === 0) break;
            filled += bytes;
        }
        same &&= read.equals(part);
    }
    const ended = fs.readSync(file, read, 0, 1, 20 * PART) === 0;
    fs.closeSync(file);
    return [same, ended];
};

const behaviors = {
    echo: (event) => ({ statusCode: 201, headers: { 'x-function': 'echo' }, body: event.body }),
    json: () => ({ text: 'né \u{1f600}', list: [1, 2.5, true, null] }),
    nothing: () => {},
    text: () => 'né',
    binary: () => ({ statusCode: 200, isBase64Encoded: true, body: Buffer.from([255, 0, 254]).toString('base64') }),
    big: () => 'x'.repeat(100_000),
    count: () => calls,
    env: () => process.env.TABLE,
    environment: () => Object.keys(process.env).filter((name) => !/^(AWS_|_X_AMZN_|LAMBDA_)/.test(name)).sort(),
    file: () => fs.readFileSync('data.txt', 'utf8'),
    random: () => ({ init: atInit, call: [Math.random(), crypto.randomBytes(8).toString('hex')] }),
    about: (_, context) => {
        const left = context.getRemainingTimeInMillis();
        return {
            name: context.functionName,
            version: context.functionVersion,
            arn: context.invokedFunctionArn,
            memory: context.memoryLimitInMB,
            group: context.logGroupName,
            stream: context.logStreamName,
            'in time': 0 < left && left <= 20_000,
        };
    },
    log: (_, context) => {
        console.log('printed');
        process.stderr.write('complained\n');
        console.warn('warned of %d apples', 3);
        process.stdout.write('without an end');
        return context.awsRequestId;
    },
    late: async () => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        return (await import('./later.mjs')).ANSWER;
    },
    fetch: async ({ queryStringParameters: { to, bytes } }) => {
        try {
            const body = 'x'.repeat(Number(bytes));
            const response = await fetch(to, { method: 'POST', body, headers: { 'x-test': '1' } });
            return { status: response.status, server: response.headers.get('x-server'), body: await response.text() };
        } catch (error) {
            return `${error}: ${error.cause}`;
        }
    },
    tmp,
    fill,
    large,
    init: () => fs.readFileSync('/tmp/init', 'utf8'),
    fail,
    nonsense: () => {
        const circle = {};
        circle.circle = circle;
        return circle;
    },
    exit: () => process.exit(3),
    abort: () => process.abort(),
    loop: () => {
        for (;;);
    },
    grow: () => {
        const kept = [];
        for (;;) kept.push(Buffer.alloc(1 << 20));
    },
};

exports.handler = async (event, context) => {
    calls += 1;
    return await behaviors[event.rawPath.slice(1)](event, context);
};
