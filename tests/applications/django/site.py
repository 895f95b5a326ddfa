"""A small application as many are: logins, forms, files, a stream of events, and WebSocket, in one file."""

import asyncio
import os
from pathlib import Path

import django
from django.conf import settings

HERE = Path(os.environ["APP_DIR"])

settings.configure(
    ALLOWED_HOSTS=["app.example"],
    # These two are what docs/applications.md is about.
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    USE_X_FORWARDED_HOST=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": HERE / "db.sqlite3"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    LOGIN_REDIRECT_URL="/account",
    MEDIA_ROOT=HERE,
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for this test",
    SECURE_SSL_REDIRECT=True,
    SESSION_COOKIE_SECURE=True,
    CSRF_COOKIE_SECURE=True,
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
)
django.setup()

from django.contrib.auth.decorators import login_required  # noqa: E402
from django.contrib.auth.views import LoginView  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.middleware.csrf import get_token  # noqa: E402
from django.template import engines  # noqa: E402
from django.urls import path  # noqa: E402

served = {"static": 0}


class Login(LoginView):
    def render_to_response(self, context, **kwargs):
        page = "<form method=post>{% csrf_token %}{{ form }}<button>Log in</button></form>"
        return HttpResponse(engines["django"].from_string(page).render(context, self.request))


@login_required(login_url="/login")
def account(request):
    get_token(request)
    return HttpResponse(f"<h1>Hello, {request.user.username}</h1><p>{request.build_absolute_uri()}</p>")


@login_required(login_url="/login")
def upload(request):
    file = request.FILES["file"]
    return JsonResponse({"name": file.name, "bytes": file.size, "sum": sum(file.read())})


async def events(request):
    async def stream():
        for n in range(3):
            yield f"data: {n}\n\n"
            await asyncio.sleep(0)

    return StreamingHttpResponse(stream(), content_type="text/event-stream", headers={"Cache-Control": "no-store"})


def static(request, name):
    served["static"] += 1
    return HttpResponse(f"/* {name}, {served['static']} */", content_type="text/css", headers={"Cache-Control": "max-age=600"})


urlpatterns = [
    path("login", Login.as_view()),
    path("account", account),
    path("upload", upload),
    path("events", events),
    path("static/<name>", static),
]

http = get_asgi_application()


async def application(scope, receive, send):
    if scope["type"] != "websocket":
        return await http(scope, receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": "echo " + message["text"]})


if __name__ == "__main__":
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    for name in ["ada", "bob"]:
        User.objects.create_user(name, password=f"secret of {name}")
    import uvicorn

    # The edge alone is believed, and what it says is Django's to read.
    uvicorn.run(application, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", proxy_headers=False)
