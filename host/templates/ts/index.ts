// A function, as a Lambda function in TypeScript: it answers the requests of a site.
//
// Code out here runs once, at deployment; each instance begins with what it has left.

import type { Context, LambdaFunctionURLEvent, LambdaFunctionURLResult } from 'aws-lambda';

export const handler = async (event: LambdaFunctionURLEvent, context: Context): Promise<LambdaFunctionURLResult> => {
    if (event.rawPath === '/hello') {
        return { statusCode: 200, headers: { 'content-type': 'text/plain' }, body: 'hello from {{name}}\n' };
    }
    return {
        statusCode: 404,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ path: event.rawPath, requestId: context.awsRequestId }),
    };
};
