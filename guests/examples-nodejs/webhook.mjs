// Takes a webhook of a code host, and answers 401 to one that was not signed with the shared secret.
//
// As a function's URL: the event has payload format 2.0, and the signature is in `x-hub-signature-256`.

import { createHmac, timingSafeEqual } from 'node:crypto';

const secret = process.env.WEBHOOK_SECRET ?? '';

const isSigned = (body, signature) => {
    const wanted = Buffer.from(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`);
    const given = Buffer.from(signature ?? '');
    return given.length === wanted.length && timingSafeEqual(given, wanted);
};

export const handler = async (event) => {
    const body = Buffer.from(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8');
    if (!isSigned(body, event.headers?.['x-hub-signature-256'])) {
        console.warn('a webhook without the right signature');
        return { statusCode: 401, body: 'wrong signature\n' };
    }
    const { action, repository } = JSON.parse(body.toString());
    console.log(`${repository?.full_name ?? 'unknown'}: ${action ?? 'ping'}`);
    return { statusCode: 202, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ accepted: action ?? 'ping' }) };
};
