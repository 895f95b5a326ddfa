// Only who has a token that was signed with the secret of the key-value store (HS256) and has not expired.
import crypto from 'crypto';
import cf from 'cloudfront';

const kvs = cf.kvs();

function refuse(reason) {
  console.log(`refused: ${reason}`);
  return { statusCode: 401, statusDescription: 'Unauthorized', headers: { 'www-authenticate': { value: 'Bearer' } } };
}

// Takes as long for a wrong signature as for the right one.
function equal(a, b) {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}

function claimsOf(token, secret) {
  const parts = token.split('.');
  if (parts.length !== 3) throw new Error('not a token');
  const [head, body, signature] = parts;
  const json = part => JSON.parse(Buffer.from(part, 'base64url').toString());
  if (json(head).alg !== 'HS256') throw new Error('not HS256');
  const right = crypto.createHmac('sha256', secret).update(`${head}.${body}`).digest('base64url');
  if (!equal(signature, right)) throw new Error('a wrong signature');
  const claims = json(body);
  const now = Date.now() / 1000;
  if (claims.exp !== undefined && claims.exp <= now) throw new Error('expired');
  if (claims.nbf !== undefined && claims.nbf > now) throw new Error('not valid yet');
  return claims;
}

async function handler(event) {
  const request = event.request;
  const authorization = request.headers.authorization;
  if (!authorization || !authorization.value.startsWith('Bearer ')) return refuse('no token');
  try {
    const secret = await kvs.get('jwt.secret');
    const claims = claimsOf(authorization.value.slice('Bearer '.length), secret);
    request.headers['x-subject'] = { value: String(claims.sub) };
    return request;
  } catch (error) {
    return refuse(error.message);
  }
}
