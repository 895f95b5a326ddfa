// A viewer hook, as a CloudFront function: it sees every request before the cache does, and may change or answer it.

type Event = AWSCloudFrontFunction.Event;
type Answer = AWSCloudFrontFunction.Request | AWSCloudFrontFunction.Response;

export function handler(event: Event): Answer {
    const request = event.request;
    if (request.uri === '/hello') {
        return {
            statusCode: 200,
            statusDescription: 'OK',
            headers: { 'content-type': { value: 'text/plain' } },
            body: { encoding: 'text', data: 'hello from {{name}}\n' },
        };
    }
    // The origin gets `/a/index.html` for `/a/`.
    if (request.uri.endsWith('/')) {
        request.uri += 'index.html';
    }
    return request;
}
