// What Lambda's own runtime client is in Node.js: it loads the handler, and makes of an event a call of it. `lib.rs` calls the
// exports. An answer is the reply, as JSON text or a stream's bytes, or `{ errorType, errorMessage, trace }`.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { format, types } from 'node:util';

const ROOT = '/var/task';
// Where Lambda's client lies; it is at the end of each "Require stack".
const require = createRequire('/var/runtime/index.mjs');
const REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');

let handler;
// The call, or INIT, that an error with no other place belongs to.
let current;

// What a streaming handler has of the host: `setContentType`, and `write`, which waits where the client is slow.
let reply;

export function setup(exit, position, setContentType, write) {
    reply = { setContentType, write };
    identify();
    // Read when a stack is; `build.rs` has the place.
    Object.defineProperty(globalThis, '__edgeward_source_position', {
        value(file, line, column) {
            const [fileName, lineNumber, columnNumber] = position(file, line, column) ?? [];
            return fileName === undefined ? undefined : { fileName, lineNumber, columnNumber };
        },
    });
    patchConsole();
    process.exit = (code = process.exitCode) => {
        process.emit('exit', code ?? 0);
        exit(code ?? 0);
    };
    process.reallyExit = exit;
    process.abort = () => exit(134);
    process.on('uncaughtException', (error) => {
        logError('Uncaught Exception', error);
        current?.fail(error);
    });
    process.on('unhandledRejection', (reason, promise) => {
        const error = new UnhandledPromiseRejection(String(reason));
        Object.assign(error, { reason, promise });
        logError('Unhandled Promise Rejection', error);
        current?.fail(error);
    });
    if (!/^(1|true)$/.test(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA ?? '')) {
        globalThis.awslambda = { streamifyResponse, HttpResponseStream };
    }
}

export async function init(name) {
    return settle('Uncaught Exception', async (call) => {
        call.exhausted = () => call.fail(new ExitError('Error: Runtime exited with error: exit status 13'));
        handler = await load(name);
        // So that a rejection which nothing has handled by now is told here.
        await new Promise((resolve) => setImmediate(resolve));
        call.succeed(null);
    });
}

export async function handle(text, description) {
    const { deadline, traceId, clientContext, ...context } = JSON.parse(description);
    globalThis[REQUEST_ID] = context.awsRequestId;
    process.env.AWS_LAMBDA_LOG_STREAM_NAME = context.logStreamName;
    if (traceId) process.env._X_AMZN_TRACE_ID = traceId;
    else delete process.env._X_AMZN_TRACE_ID;
    context.getRemainingTimeInMillis = () => deadline - Date.now();
    context.identity = undefined;
    return settle('Invoke Error', (call) => {
        context.clientContext = clientContext ? JSON.parse(clientContext) : undefined;
        const event = text === '' ? {} : JSON.parse(text);
        return handler[STREAMING] ? stream(call, event, context) : invoke(call, event, context);
    });
}

/** Nothing is left that could bring the call's answer. */
export async function exhausted() {
    const call = current;
    if (!call) return JSON.stringify(null);
    call.exhausted();
    return call.answer;
}

/** One call: it has one answer, the first. */
class Call {
    answer;
    #resolve;
    /** What it means if nothing is left to wait for. */
    exhausted = () => this.succeed(null);

    constructor() {
        this.answer = new Promise((resolve) => (this.#resolve = resolve));
    }

    succeed = (result) => {
        let reply;
        try {
            reply = JSON.stringify(result === undefined ? null : result) ?? 'null';
        } catch {
            const error = new Error('Unable to stringify response body');
            logError('Invoke Error', error);
            this.fail(error);
            return;
        }
        this.reply(reply);
    };

    reply = (bytes) => this.#resolve(bytes);

    fail = (error) => this.#resolve(describe(error));
}

/** Runs what answers the call, or throws. */
async function settle(message, run) {
    const call = new Call();
    current = call;
    try {
        await run(call);
    } catch (error) {
        logError(message, error);
        call.fail(error);
    }
    return call.answer;
}

function invoke(call, event, context) {
    let isDone = false;
    const first = (then) => (...args) => {
        if (isDone) return;
        isDone = true;
        then(...args);
    };
    const finish = (error, result) => {
        if (error === undefined || error === null) {
            call.succeed(result);
        } else {
            logError('Invoke Error', error);
            call.fail(error);
        }
    };
    context.callbackWaitsForEmptyEventLoop = true;
    context.succeed = first((result) => finish(null, result));
    context.fail = first((error) => finish(error ?? 'handled'));
    context.done = first(finish);
    const callback = first((error, result) => {
        if (error !== undefined && error !== null) finish(error);
        else if (!context.callbackWaitsForEmptyEventLoop) finish(null, result);
        else process._awaitRuntimeIdle().then(() => finish(null, result));
    });
    if (handler.constructor?.name === 'AsyncFunction') {
        call.exhausted = () => finish(new NodeJsExit());
    }
    const result = handler(event, context, callback);
    if (typeof result?.then === 'function') result.then(context.succeed, context.fail);
}

/** A handler that writes a stream: its bytes are the reply, and leave while it runs. */
async function stream(call, event, context) {
    const { Writable } = require('node:stream');
    let isBegun = false;
    const response = new Writable({
        highWaterMark: handler[HIGH_WATER_MARK],
        write(chunk, encoding, done) {
            isBegun = true;
            reply.write(chunk);
            done();
        },
    });
    call.exhausted = () => call.fail(new Error('Response stream is not finished.'));
    response.setContentType = (contentType) => reply.setContentType(String(contentType));
    response.on('error', call.fail);
    context.callbackWaitsForEmptyEventLoop = true;
    const result = handler(event, response, context);
    if (typeof result?.then !== 'function') throw new Error('Streaming does not support non-async handlers.');
    if ((await result) !== undefined) console.warn('Streaming handlers ignore return values.');
    if (!response.writableFinished) {
        await new Promise((resolve) => response.on('finish', resolve));
    }
    if (!isBegun) reply.write(new Uint8Array(0));
    call.reply(new Uint8Array(0));
}

function streamifyResponse(handler, options) {
    handler[STREAMING] = 'response';
    if (typeof options?.highWaterMark === 'number') handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
    return handler;
}

class HttpResponseStream {
    static from(stream, prelude) {
        stream.setContentType('application/vnd.awslambda.http-integration-response');
        stream.write(JSON.stringify(prelude));
        stream.write(new Uint8Array(8));
        return stream;
    }
}

// Loading.

async function load(name) {
    if (name.includes('..')) {
        const advice = 'Use absolute paths when specifying root directories in handler names.';
        throw new MalformedHandlerName(`'${name}' is not a valid handler name. ${advice}`);
    }
    const file = path.basename(name);
    const folder = name.slice(0, name.indexOf(file));
    const [, module, property] = /^([^.]*)\.(.*)$/.exec(file) ?? [];
    if (module === undefined) throw new MalformedHandlerName('Bad handler');
    const exported = await evaluate(folder, module);
    const found = property.split('.').reduce((object, key) => object && object[key], exported);
    if (!found) throw new HandlerNotFound(`${name} is undefined or not exported`);
    if (typeof found !== 'function') throw new HandlerNotFound(`${name} is not a function`);
    return found;
}

async function evaluate(folder, module) {
    const base = path.resolve(ROOT, folder, module);
    const isModule = isInModulePackage(path.dirname(base));
    const ways = [
        ['', require],
        ['.js', isModule ? importFile : require],
        ['.mjs', importFile],
        ['.cjs', require],
    ];
    try {
        for (const [extension, load] of ways) {
            const file = base + extension;
            if (isFile(file)) return await load(file);
        }
        return require(require.resolve(module, { paths: [ROOT, path.join(ROOT, folder)] }));
    } catch (error) {
        if (error instanceof SyntaxError) throw syntaxError(error);
        if (error?.code === 'MODULE_NOT_FOUND') throw new ImportModuleError(error);
        throw error;
    }
}

/** With the place in the code, which Lambda leaves out. */
function syntaxError(cause) {
    const error = new UserCodeSyntaxError(cause);
    const place = trace(cause).find((line) => line.includes(ROOT));
    if (place) error.stack = error.stack.replace('\n', `\n${place.startsWith(' ') ? place : `    at ${place}`}\n`);
    return error;
}

const importFile = (file) => import(file);

function isFile(file) {
    try {
        return fs.statSync(file).isFile();
    } catch {
        return false;
    }
}

/** Whether `.js` means an ES module in this folder. */
function isInModulePackage(folder) {
    for (; folder.startsWith(ROOT) && !folder.endsWith('/node_modules'); folder = path.dirname(folder)) {
        const file = path.join(folder, 'package.json');
        if (!isFile(file)) continue;
        try {
            return JSON.parse(fs.readFileSync(file, 'utf8')).type === 'module';
        } catch (error) {
            console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
            return false;
        }
    }
    return false;
}

// Errors, in Lambda's forms.

class RuntimeError extends Error {
    get name() {
        return `Runtime.${this.constructor.name}`;
    }
}
class ImportModuleError extends RuntimeError {}
class HandlerNotFound extends RuntimeError {}
class MalformedHandlerName extends RuntimeError {}
class UserCodeSyntaxError extends RuntimeError {}
class UnhandledPromiseRejection extends RuntimeError {}
class ExitError extends RuntimeError {}
class NodeJsExit extends RuntimeError {
    constructor() {
        super('The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled.');
    }
}

function describe(error) {
    try {
        if (types.isNativeError(error) || (error?.name && error.message && error.stack)) {
            // Node.js has the code of its own errors in the stack, not in the name.
            const errorType = String(error.name).replace(/ \[ERR_\w+\]$/, '');
            return { errorType, errorMessage: String(error.message), trace: trace(error) };
        }
        return { errorType: typeof error, errorMessage: String(error), trace: [] };
    } catch {
        const errorMessage =
            'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack';
        return { errorType: 'handled', errorMessage, trace: [] };
    }
}

function trace(error) {
    return String(error.stack).trimEnd().split('\n');
}

// The log: one line for each call of `console`.

const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
let isJson = false;

function patchConsole() {
    isJson = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';
    const least = LEVELS[process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()] ?? 0;
    const write = isJson ? writeJson : writeText;
    const logger = (level) => (LEVELS[level] < least ? () => {} : (...args) => write(level, args));
    console.trace = logger('TRACE');
    console.debug = logger('DEBUG');
    console.info = console.log = logger('INFO');
    console.warn = logger('WARN');
    console.error = logger('ERROR');
    console.fatal = logger('FATAL');
}

function writeText(level, args) {
    process.stdout.write(`${new Date().toISOString()}\t${globalThis[REQUEST_ID]}\t${level}\t${format(...args)}\n`);
}

function writeJson(level, args) {
    const record = { timestamp: new Date().toISOString(), level, requestId: globalThis[REQUEST_ID] };
    const plain = (_, value) => (value instanceof Error ? { ...record_of(value), ...value } : value);
    let line;
    if (args.length === 1) {
        try {
            line = JSON.stringify({ ...record, message: args[0] }, plain);
        } catch {
            line = JSON.stringify({ ...record, message: format(args[0]) });
        }
    } else {
        const error = args.find((arg) => arg instanceof Error);
        line = JSON.stringify({ ...record, message: format(...args), ...(error && record_of(error)) });
    }
    process.stdout.write(`${line}\n`);
}

function record_of(error) {
    return { errorType: error.constructor?.name ?? 'UnknownError', errorMessage: error.message, stackTrace: trace(error) };
}

function logError(message, error) {
    const object = error instanceof Error ? error : new Error(error);
    if (isJson) {
        console.error(object);
        return;
    }
    const plain = (_, value) =>
        value instanceof Error
            ? { errorType: value.name, errorMessage: value.message, code: value.code, ...value, stack: trace(value) }
            : value;
    let text;
    try {
        text = JSON.stringify(object, plain);
    } catch {
        text = JSON.stringify(describe(error));
    }
    console.error(message, `\t${text}`);
}

/** What programs ask to find out where they are. */
function identify() {
    const major = /nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV ?? '')?.[1] ?? '24';
    process.version = `v${major}.0.0`;
    process.versions.node = `${major}.0.0`;
    process.platform = 'linux';
    process.title = 'node';
    process.execPath = '/var/lang/bin/node';
    process.argv.splice(0, process.argv.length, process.execPath, '/var/runtime/index.mjs');
}
