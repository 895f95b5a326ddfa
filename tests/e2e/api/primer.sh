#!/bin/sh
# What the documentation shows of a function's life, with the real command line.
#
# Takes the endpoint and the credentials from AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
# AWS_DEFAULT_REGION, and the command from AWS: version 2, or 1, which takes payloads as they are. Prints `ok NAME` after each
# step, and works in a folder of its own.
set -eu
AWS=${AWS:-aws}
export AWS_PAGER='' AWS_MAX_ATTEMPTS=1 AWS_EC2_METADATA_DISABLED=true
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

case $("$AWS" --version 2>&1) in
    aws-cli/1.*) raw= ;;
    *) raw='--cli-binary-format raw-in-base64-out' ;;
esac

lambda() {
    # Debian's version 2 is older than the variable for the endpoint.
    "$AWS" --endpoint-url "$AWS_ENDPOINT_URL" --output json lambda "$@"
}

# With a payload: shellcheck is right that $raw is two words.
invoke() {
    # shellcheck disable=SC2086
    lambda invoke $raw "$@"
}

# NAME EXPECTED GOT: the step NAME is done, if what came has this in it.
ok() {
    case $3 in
        *"$2"*) echo "ok $1" ;;
        *)
            printf 'not ok %s: no\n    %s\nin\n    %s\n' "$1" "$2" "$3" >&2
            exit 1
            ;;
    esac
}

# NAME CODE MESSAGE COMMAND...: the step is done, if the command fails with this error.
fails() {
    name=$1 code=$2 message=$3
    shift 3
    if got=$("$@" 2>&1); then
        echo "not ok $name: no failure, but $got" >&2
        exit 1
    fi
    ok "$name" "An error occurred ($code) when calling the " "$got"
    ok "$name-says-why" "$message" "$got"
}

archive() {
    rm -f function.zip
    if command -v zip > /dev/null; then zip -q function.zip lambda_function.py; else python3 -m zipfile -c function.zip lambda_function.py; fi
}

account=$("$AWS" --endpoint-url "$AWS_ENDPOINT_URL" --output text sts get-caller-identity --query Account)
case $account in
    [0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]) echo "ok get-caller-identity" ;;
    *) echo "not ok get-caller-identity: $account" >&2 && exit 1 ;;
esac
role=arn:aws:iam::$account:role/lambda
arn=arn:aws:lambda:us-east-1:$account:function:greeter

cat > lambda_function.py << 'PYTHON'
def lambda_handler(event, context):
    print("greeting", event["name"])
    return {"message": f"Hello, {event['name']}!"}
PYTHON
archive

got=$(lambda create-function --function-name greeter --runtime python3.14 --handler lambda_function.lambda_handler \
    --role "$role" --zip-file fileb://function.zip)
ok create-function "\"FunctionArn\": \"$arn\"" "$got"
ok create-function-is-pending '"State": "Pending"' "$got"
lambda wait function-active-v2 --function-name greeter
ok wait-function-active Active "$(lambda get-function --function-name greeter --query Configuration.State --output text)"
fails create-function-twice ResourceConflictException 'Function already exist: greeter' \
    lambda create-function --function-name greeter --runtime python3.14 --handler lambda_function.lambda_handler \
    --role "$role" --zip-file fileb://function.zip

got=$(invoke --function-name greeter --payload '{"name": "Ada"}' reply.json)
ok invoke '"StatusCode": 200' "$got"
ok invoke-runs-latest '"ExecutedVersion": "$LATEST"' "$got"
ok invoke-replies 'Hello, Ada!' "$(cat reply.json)"

got=$(invoke --function-name greeter --payload '{"name": "Bob"}' --log-type Tail --query LogResult --output text reply.json | base64 -d)
ok invoke-shows-the-log 'greeting Bob' "$got"
ok invoke-shows-the-report 'REPORT RequestId: ' "$got"

got=$(invoke --function-name greeter --payload '{}' reply.json)
ok invoke-tells-of-an-error '"FunctionError": "Unhandled"' "$got"
ok invoke-replies-the-error KeyError "$(cat reply.json)"
fails invoke-nobody ResourceNotFoundException "Function not found: arn:aws:lambda:us-east-1:$account:function:nobody:\$LATEST" \
    invoke --function-name nobody --payload '{}' reply.json

got=$(lambda publish-version --function-name greeter --description 'says hello')
ok publish-version '"Version": "1"' "$got"
ok publish-version-has-an-arn "\"FunctionArn\": \"$arn:1\"" "$got"
got=$(lambda create-alias --function-name greeter --name live --function-version 1)
ok create-alias "\"AliasArn\": \"$arn:live\"" "$got"

sed -i 's/Hello/Good morning/' lambda_function.py
archive
got=$(lambda update-function-code --function-name greeter --zip-file fileb://function.zip)
ok update-function-code '"LastUpdateStatus": "InProgress"' "$got"
lambda wait function-updated-v2 --function-name greeter
invoke --function-name greeter --payload '{"name": "Ada"}' reply.json > /dev/null
ok invoke-new-code 'Good morning, Ada!' "$(cat reply.json)"

got=$(invoke --function-name greeter --qualifier live --payload '{"name": "Ada"}' reply.json)
ok invoke-alias '"ExecutedVersion": "1"' "$got"
ok invoke-alias-runs-the-old-code 'Hello, Ada!' "$(cat reply.json)"
ok publish-second-version '"Version": "2"' "$(lambda publish-version --function-name greeter)"
got=$(lambda update-alias --function-name greeter --name live --function-version 2)
ok update-alias '"FunctionVersion": "2"' "$got"
invoke --function-name greeter:live --payload '{"name": "Ada"}' reply.json > /dev/null
ok invoke-alias-runs-the-new-code 'Good morning, Ada!' "$(cat reply.json)"
got=$(lambda update-alias --function-name greeter --name live --routing-config 'AdditionalVersionWeights={1=0.1}')
ok update-alias-weights '"1": 0.1' "$got"
ok list-versions '"Version": "2"' "$(lambda list-versions-by-function --function-name greeter)"

got=$(lambda update-function-configuration --function-name greeter --timeout 10 --environment 'Variables={FRUIT=apple}')
ok update-function-configuration '"FRUIT": "apple"' "$got"
lambda wait function-updated-v2 --function-name greeter
ok get-function-configuration '"Timeout": 10' "$(lambda get-function-configuration --function-name greeter)"

got=$(lambda put-function-concurrency --function-name greeter --reserved-concurrent-executions 10)
ok put-function-concurrency '"ReservedConcurrentExecutions": 10' "$got"
got=$(lambda get-function-concurrency --function-name greeter)
ok get-function-concurrency '"ReservedConcurrentExecutions": 10' "$got"
fails put-function-concurrency-too-much InvalidParameterValueException "UnreservedConcurrentExecution below its minimum value of [100]." \
    lambda put-function-concurrency --function-name greeter --reserved-concurrent-executions 901
lambda delete-function-concurrency --function-name greeter
got=$(lambda get-function-concurrency --function-name greeter --query ReservedConcurrentExecutions)
ok delete-function-concurrency null "$got"

lambda tag-resource --resource "$arn" --tags team=fruit
ok tag-resource '"team": "fruit"' "$(lambda list-tags --resource "$arn")"
got=$(lambda add-permission --function-name greeter --statement-id s3 --action lambda:InvokeFunction --principal s3.amazonaws.com)
ok add-permission '"Statement": ' "$got"
ok get-policy 's3.amazonaws.com' "$(lambda get-policy --function-name greeter --query Policy --output text)"

ok list-functions '"FunctionName": "greeter"' "$(lambda list-functions --max-items 1)"
lambda delete-function --function-name greeter > /dev/null
fails delete-function ResourceNotFoundException "Function not found: $arn" \
    lambda get-function --function-name greeter
ok list-functions-is-empty '[]' "$(lambda list-functions --query Functions)"
