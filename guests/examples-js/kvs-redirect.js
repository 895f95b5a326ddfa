// Old addresses are in the key-value store, each with its new one.
import cf from 'cloudfront';

async function handler(event) {
  const request = event.request;
  let target;
  try {
    target = await cf.kvs().get(request.uri);
  } catch {
    return request;
  }
  const query = request.rawQueryString();
  return {
    statusCode: 301,
    statusDescription: 'Moved Permanently',
    headers: { location: { value: query ? `${target}?${query}` : target } },
  };
}
