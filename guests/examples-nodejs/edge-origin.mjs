// A Lambda@Edge function for origin requests: what begins with /v2/ comes from another server, and a page that has gone is answered
// here.

export const handler = async (event) => {
    const { request } = event.Records[0].cf;
    if (request.uri === '/gone.html') {
        return { status: '410', statusDescription: 'Gone', headers: { 'content-type': [{ value: 'text/plain' }] }, body: 'gone\n' };
    }
    if (request.uri.startsWith('/v2/')) {
        request.origin.custom.domainName = 'v2.example.com';
        request.headers.host = [{ key: 'Host', value: 'v2.example.com' }];
    }
    return request;
};
