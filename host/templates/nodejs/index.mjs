// A function, as a Lambda function in Node.js: it answers the requests of a site.
//
// Code out here runs once, at deployment; each instance begins with what it has left.

export const handler = async (event, context) => {
    const path = event.rawPath ?? '/';
    if (path === '/hello') {
        return { statusCode: 200, headers: { 'content-type': 'text/plain' }, body: 'hello from {{name}}\n' };
    }
    return {
        statusCode: 404,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ path, requestId: context.awsRequestId }),
    };
};
