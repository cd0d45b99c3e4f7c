#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "gitsync/gitsync.h"
#include "tests/gitsync/git_fixture.h"

// Real servers on the loopback: sshd, and TLS in front of `git http-backend`. Each trouble has a message of its own, and a secret is nowhere.

namespace nelson {
namespace {

using namespace nelson::gitsync_test;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kCanary = "canary-token-5f1d7c0e9b";

/// Listens and counts who comes; says nothing.
class Canary {
 public:
  Canary() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(socket_, 64) != 0 ||
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      std::abort();
    port_ = ntohs(address.sin_port);
  }
  ~Canary() { ::close(socket_); }
  Canary(const Canary&) = delete;
  Canary& operator=(const Canary&) = delete;
  [[nodiscard]] std::string port() const { return std::to_string(port_); }
  [[nodiscard]] int visitors() const {
    int out = 0;
    for (int client = 0; (client = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0; ++out) ::close(client);
    return out;
  }

 private:
  int socket_;
  std::uint16_t port_ = 0;
};

constexpr const char* kServer = R"(
import http.server, os, ssl, subprocess, sys, base64, socketserver
root, certificate, key, token_file, port_file, canary, log = sys.argv[1:8]

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def do_GET(self): self.serve()
    def do_POST(self): self.serve()
    def say(self, code, **headers):
        self.send_response(code)
        for name, value in headers.items(): self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def serve(self):
        with open(log, "a") as out: out.write(self.command + " " + self.path + "\n")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        mode, _, rest = path.lstrip("/").partition("/")
        if mode == "elsewhere": return self.say(302, Location="https://127.0.0.1:" + canary + "/open/" + rest + "?" + query)
        if mode == "otherport": return self.say(302, Location="https://localhost:" + canary + "/open/" + rest + "?" + query)
        if mode == "plain": return self.say(302, Location="http://127.0.0.1:" + canary + "/open/" + rest + "?" + query)
        if mode == "moved": return self.say(301, Location="/open/" + rest + "?" + query)
        if mode == "circle": return self.say(302, Location="/circle/" + rest + "?" + query)
        if mode == "forbidden": return self.say(403)
        if mode == "broken": return self.say(500)
        if mode == "echo":
            return self.say(500, X_Echo=self.headers.get("Authorization") or "")
        if mode == "endless": return self.endless()
        if mode == "many": return self.many()
        if mode == "private":
            want = "Basic " + base64.b64encode(("x-access-token:" + open(token_file).read().strip()).encode()).decode()
            if self.headers.get("Authorization") != want: return self.say(401, WWW_Authenticate='Basic realm="x"')
        elif mode not in ("open", "weird"): return self.say(404)
        environment = dict(PATH=os.environ["PATH"], GIT_PROJECT_ROOT=root, GIT_HTTP_EXPORT_ALL="1", PATH_INFO="/" + rest, QUERY_STRING=query,
            REQUEST_METHOD=self.command, CONTENT_TYPE=self.headers.get("Content-Type") or "", CONTENT_LENGTH=str(len(body)), REMOTE_USER="x",
            GIT_CONFIG_NOSYSTEM="1", HOME="/nonexistent", REMOTE_ADDR="127.0.0.1")
        if self.headers.get("Content-Encoding"): environment["HTTP_CONTENT_ENCODING"] = self.headers["Content-Encoding"]
        out = subprocess.run(["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE).stdout
        head, _, content = out.partition(b"\r\n\r\n")
        status, headers = 200, []
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(": ")
            if name.lower() == "status": status = int(value.split()[0])
            elif name: headers.append((name, value))
        if mode == "weird" and self.command == "GET":
            one = b"1" * 40 + b" "
            for name in (b"refs/heads/../../x", b"refs/heads/@{", b"refs/heads/a..b", b"refs/heads/" + b"n" * 4096, b"refs/heads/\xff\xfe ?", b"../../etc/passwd"):
                content = content[:-4] + self.line(one + name + b"\n") + b"0000"
        self.send_response(status)
        for name, value in headers: self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    def advertise(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"001e# service=git-upload-pack\n0000")
    def line(self, text): return b"%04x" % (len(text) + 4) + text
    def refs(self, begin, end):
        out = b""
        for i in range(begin, end):
            out += self.line(b"%040x refs/heads/%08d" % (i + 1, i) + (b"\0 side-band-64k" if i == 0 else b"") + b"\n")
        return out
    def endless(self):
        self.advertise()
        try:
            self.wfile.write(self.refs(0, 1))
            block = self.refs(1, 5000)
            while True: self.wfile.write(block)
        except OSError: pass
        self.close_connection = True
    def many(self):
        self.advertise()
        self.wfile.write(self.refs(0, 10050) + b"0000")
        self.close_connection = True

class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    def handle_error(self, *a): pass
server = Server(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
# The handshake belongs to the connection's own thread, so that a silent client stops nobody.
plain = server.get_request
def get_request():
    client, address = plain()
    return context.wrap_socket(client, server_side=True, do_handshake_on_connect=False), address
server.get_request = get_request
with open(port_file + ".new", "w") as out: out.write(str(server.server_address[1]))
os.rename(port_file + ".new", port_file)
server.serve_forever()
)";

/// Certificates of an authority of its own for localhost (mbedTLS in libgit2 compares no addresses), and the server.
class Https {
 public:
  Https(const World& world, const std::string& canary, const std::string& subject = "DNS:localhost")
      : folder_(world.path("https")) {
    write_file(folder_ + "/server.py", kServer);
    write_file(folder_ + "/token", std::string(kCanary) + "\n", 0600);
    write_file(folder_ + "/extensions", "subjectAltName=" + subject + "\n");
    const auto openssl = [this](std::vector<std::string> words) {
      words.insert(words.begin(), "openssl");
      const Ran ran = run(words, folder_);
      if (ran.status != 0) ADD_FAILURE() << ran.output;
    };
    openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out",
             "ca.pem", "-days", "2", "-subj", "/CN=Test Authority"});
    openssl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "server.key", "-out",
             "server.csr", "-subj", "/CN=server"});
    openssl({"x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem",
             "-days", "2", "-extfile", "extensions"});
    process_ = std::make_unique<Process>(
        std::vector<std::string>{"python3", folder_ + "/server.py", world.folder_.path(), folder_ + "/server.pem",
                                 folder_ + "/server.key", folder_ + "/token", folder_ + "/port", canary, folder_ + "/requests"},
        folder_ + "/log");
    EXPECT_TRUE(eventually([this] { return std::filesystem::exists(folder_ + "/port") || !process_->alive(); }))
        << read_file(folder_ + "/log");
    port_ = read_file(folder_ + "/port");
    EXPECT_FALSE(port_.empty()) << read_file(folder_ + "/log");
  }
  [[nodiscard]] std::string url(const std::string& mode, const std::string& repository = "shop") const {
    return "https://localhost:" + port_ + "/" + mode + "/" + repository;
  }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_ + "/" + name; }
  [[nodiscard]] std::string ca() const { return "credentials: {ca: \"file:" + file("ca.pem") + "\"}\n"; }
  [[nodiscard]] std::string ca_and_token(const std::string& token) const {
    return "credentials: {ca: \"file:" + file("ca.pem") + "\", token: \"" + token + "\"}\n";
  }

 private:
  std::string folder_, port_;
  std::unique_ptr<Process> process_;
};

#define NEED(program) \
  if (!have_program(program)) GTEST_SKIP() << program << " is not installed"

void write_shop(const World& world) {
  const Git shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  shop.commit("one");
}

TEST(Https, APrivateAuthorityVerifiesAndRedirectsOnTheSameHostAreFollowed) {
  NEED("python3");
  NEED("openssl");
  World world;
  write_shop(world);
  const Canary canary;
  const Https server(world, canary.port());
  for (const char* mode : {"open", "moved"}) {
    world.watch("shop", server.url(mode), "release: branch\n" + server.ca());
    const auto gitsync = world.open();
    const auto desired = settled(*gitsync, is_read);
    EXPECT_NE(stack_of(*desired, "basket"), nullptr) << mode << " " << problems_of(*desired);
    EXPECT_TRUE(desired->problems.empty()) << problems_of(*desired);
  }
  // An unchanged poll is one GET of the refs.
  const auto gitsync = world.open();
  (void)settled(*gitsync, is_read);
  const std::string before = read_file(server.file("requests"));
  (void)synced(*gitsync);
  const std::string after = read_file(server.file("requests")).substr(before.size());
  EXPECT_EQ(after, "GET /moved/shop/info/refs?service=git-upload-pack\nGET /open/shop/info/refs?service=git-upload-pack\n");
}

TEST(Https, RefsWithNamesThatGitForbidsAreIgnoredAndCounted) {
  NEED("python3");
  NEED("openssl");
  World world;
  write_shop(world);
  const Https server(world, "1");
  world.watch("shop", server.url("weird"), "release: branch\n" + server.ca());
  const auto gitsync = world.open();
  const auto desired = settled(*gitsync, is_read);
  EXPECT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  const Problem* problem = problem_of(*desired, "RefsIgnored", "shop");
  ASSERT_NE(problem, nullptr) << problems_of(*desired);
  EXPECT_TRUE(problem->warning);
  EXPECT_NE(problem->message.find("6 refs"), std::string::npos) << problem->message;
}

constexpr const char* kProxy = R"(
import socket, socketserver, sys, os, threading
port_file, log = sys.argv[1:3]
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline().decode()
        while self.rfile.readline().strip(): pass
        with open(log, "a") as out: out.write(line)
        host, _, port = line.split()[1].rpartition(":")
        with socket.create_connection((host, int(port))) as there:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            def back():
                try:
                    while data := there.recv(65536): self.connection.sendall(data)
                    self.connection.shutdown(socket.SHUT_WR)
                except OSError: pass
            thread = threading.Thread(target=back, daemon=True)
            thread.start()
            try:
                while data := self.connection.recv(65536): there.sendall(data)
                there.shutdown(socket.SHUT_WR)
            except OSError: pass
            thread.join(5)
class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    def handle_error(self, *a): pass
server = Server(("127.0.0.1", 0), Handler)
with open(port_file + ".new", "w") as out: out.write(str(server.server_address[1]))
os.rename(port_file + ".new", port_file)
server.serve_forever()
)";

TEST(Https, AProxyOfTheEnvironmentIsUsed) {
  NEED("python3");
  NEED("openssl");
  World world;
  write_shop(world);
  const Canary canary;
  const Https server(world, canary.port());
  write_file(world.path("proxy/proxy.py"), kProxy);
  const Process proxy({"python3", world.path("proxy/proxy.py"), world.path("proxy/port"), world.path("proxy/requests")},
                      world.path("proxy/log"));
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(world.path("proxy/port")); }));
  ASSERT_EQ(::setenv("https_proxy", ("http://127.0.0.1:" + read_file(world.path("proxy/port"))).c_str(), 1), 0);
  world.watch("shop", server.url("open"), "release: branch\n" + server.ca());
  const auto gitsync = world.open();
  const auto desired = settled(*gitsync, is_read);
  EXPECT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  EXPECT_TRUE(read_file(world.path("proxy/requests")).starts_with("CONNECT localhost:")) << read_file(world.path("proxy/requests"));
  // No redirect leads past it either.
  world.watch("shop", server.url("otherport"), "release: branch\n" + server.ca());
  const auto refused = settled(*gitsync, says("RedirectRefused"));
  EXPECT_NE(problem_of(*refused, "RedirectRefused"), nullptr) << problems_of(*refused);
  EXPECT_EQ(canary.visitors(), 0);
  ::unsetenv("https_proxy");
}

struct HttpsTrouble {
  const char* what;
  const char* mode;
  bool with_ca, with_token;
  const char* code;
  const char* message;  // part of it
};

class HttpsTroubles : public ::testing::TestWithParam<HttpsTrouble> {};

TEST_P(HttpsTroubles, HaveEachAMessageOfItsOwn) {
  NEED("python3");
  NEED("openssl");
  const HttpsTrouble& trouble = GetParam();
  World world;
  write_shop(world);
  const Canary canary;
  const Https server(world, canary.port());
  const std::string token = "file:" + server.file(std::string(trouble.mode) == "private" ? "wrong" : "token");
  write_file(server.file("wrong"), "canary-token-wrong\n", 0600);
  const std::string credentials = trouble.with_ca && trouble.with_token ? server.ca_and_token(token)
                                  : trouble.with_ca                     ? server.ca()
                                                                        : "";
  world.watch("shop", server.url(trouble.mode), "release: branch\n" + credentials);
  const auto gitsync = world.open();
  const auto desired = settled(*gitsync, says(trouble.code));
  const Problem* problem = problem_of(*desired, trouble.code, "shop");
  ASSERT_NE(problem, nullptr) << problems_of(*desired);
  EXPECT_NE(problem->message.find(trouble.message), std::string::npos) << problem->message;
  EXPECT_FALSE(problem->way_out.empty());
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kUnknown);
  EXPECT_EQ(canary.visitors(), 0) << "somebody was sent to another host";
  EXPECT_EQ(problems_of(*desired).find("canary-token"), std::string::npos) << problems_of(*desired);
  EXPECT_FALSE(found_below(world.path("mirrors"), "canary-token"));
}

INSTANTIATE_TEST_SUITE_P(
    Https, HttpsTroubles,
    ::testing::Values(HttpsTrouble{"UnknownAuthority", "open", false, false, "CertificateRefused", "does not verify"},
                      HttpsTrouble{"RedirectToAnotherHost", "elsewhere", true, true, "RedirectRefused", "redirects to 127.0.0.1"},
                      HttpsTrouble{"RedirectToAnotherPort", "otherport", true, true, "RedirectRefused", "redirects to localhost"},
                      HttpsTrouble{"RedirectToPlainHttp", "plain", true, true, "RedirectRefused", "redirects to"},
                      HttpsTrouble{"RedirectInACircle", "circle", true, true, "RedirectRefused", "circle"},
                      HttpsTrouble{"NoToken", "private", true, false, "CredentialMissing", "asks for a credential"},
                      HttpsTrouble{"WrongToken", "private", true, true, "TokenRefused", "refuses the token (401)"},
                      HttpsTrouble{"Forbidden", "forbidden", true, true, "TokenRefused", "403"},
                      HttpsTrouble{"NotFound", "nothing", true, false, "RepositoryNotFound", "no such repository (404)"},
                      HttpsTrouble{"ServerError", "broken", true, false, "HostTrouble", "500"},
                      HttpsTrouble{"EndlessReferences", "endless", true, false, "EndlessReferences", "without end"},
                      HttpsTrouble{"MoreThanTenThousandReferences", "many", true, false, "EndlessReferences", "more than 10,000"}),
    [](const auto& info) { return info.param.what; });

TEST(Https, ACertificateForAnotherNameIsRefused) {
  NEED("python3");
  NEED("openssl");
  World world;
  write_shop(world);
  const Https server(world, "1", "DNS:other.example.org");
  world.watch("shop", server.url("open"), "release: branch\n" + server.ca());
  const auto gitsync = world.open();
  const auto desired = settled(*gitsync, says("CertificateRefused"));
  EXPECT_NE(problem_of(*desired, "CertificateRefused", "shop"), nullptr) << problems_of(*desired);
}

TEST(Https, OneRepositorysAuthorityIsNotAnothers) {
  NEED("python3");
  NEED("openssl");
  World world;
  write_shop(world);
  const Https server(world, "1");
  world.watch("trusting", server.url("open"), "release: branch\n" + server.ca());
  const auto gitsync = world.open();
  (void)settled(*gitsync, is_read);
  world.watch("wary", server.url("open", "shop/.git"));
  // Whichever child meets it first, the authority of `trusting` says nothing for `wary`.
  for (int i = 0; i < 5; ++i) {
    const auto desired = settled(*gitsync, says("CertificateRefused"));
    (void)synced(*gitsync);
    EXPECT_NE(problem_of(*desired, "CertificateRefused", "wary"), nullptr) << problems_of(*desired);
    EXPECT_EQ(problem_of(*desired, "CertificateRefused", "trusting"), nullptr) << problems_of(*desired);
  }
}

/// All that the kernel shows of our children.
std::string shown_of_children(const std::string& what) {
  std::string out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string stat = read_file(entry.path() / "stat");
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos || std::atoi(stat.c_str() + name_end + 4) != ::getpid()) continue;
    out += read_file(entry.path() / what) + "\n";
  }
  return out;
}

TEST(Https, ATokenWorksUntilItIsRevokedAndIsNowhereToBeSeen) {
  NEED("python3");
  NEED("openssl");
  World world;
  write_shop(world);
  const Https server(world, "1");
  world.watch("shop", server.url("private"), "release: branch\n" + server.ca_and_token("env:NELSON_TEST_TOKEN"));
  ASSERT_EQ(::setenv("NELSON_TEST_TOKEN", kCanary, 1), 0);
  const auto gitsync = world.open();
  auto desired = settled(*gitsync, is_read);
  EXPECT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  const std::string lines = shown_of_children("cmdline"), variables = shown_of_children("environ");
  EXPECT_NE(lines.find("git-worker"), std::string::npos);
  EXPECT_NE(variables.find("HOME=/nonexistent"), std::string::npos);
  EXPECT_EQ((lines + variables).find(kCanary), std::string::npos);

  write_file(server.file("token"), "another\n", 0600);
  desired = settled(*gitsync, says("TokenRefused"));
  ASSERT_NE(problem_of(*desired, "TokenRefused", "shop"), nullptr) << problems_of(*desired);
  EXPECT_NE(stack_of(*desired, "basket"), nullptr) << "the last good state stands";
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kLastGood);
  ASSERT_EQ(::setenv("NELSON_TEST_TOKEN", "another", 1), 0);
  desired = settled(*gitsync, [](const Desired& d) { return d.problems.empty(); });
  EXPECT_TRUE(desired->problems.empty()) << "the reference is read at each poll: " << problems_of(*desired);
  ASSERT_EQ(::unsetenv("NELSON_TEST_TOKEN"), 0);
  desired = settled(*gitsync, says("CredentialMissing"));
  EXPECT_NE(problem_of(*desired, "CredentialMissing", "shop"), nullptr) << problems_of(*desired);
  EXPECT_FALSE(found_below(world.path("mirrors"), kCanary));
}

TEST(Https, AHangingHostKeepsNobodyWaitingAndItsChildIsKilled) {
  World world;
  write_shop(world);
  const Canary silent;  // accepts, and never says a word
  for (int i = 0; i < 6; ++i)
    world.watch("hung-" + std::to_string(i), "https://127.0.0.1:" + silent.port() + "/shop" + std::to_string(i));
  world.watch("shop", "file://" + world.path("shop"));
  GitsyncOptions options = world.options();
  options.deadline = seconds(4);
  auto opened = Gitsync::open(options);
  ASSERT_TRUE(opened);
  Gitsync& gitsync = **opened;
  const auto began = std::chrono::steady_clock::now();
  auto desired = settled(gitsync, is_read);
  EXPECT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(20));
  // A healthy repository is served on time while six hang.
  const Git shop(world.path("shop"));
  desired = settled(gitsync, says("GitTimeout"));
  const Problem* problem = problem_of(*desired, "GitTimeout");
  ASSERT_NE(problem, nullptr) << problems_of(*desired);
  EXPECT_NE(problem->message.find("127.0.0.1:" + silent.port()), std::string::npos) << problem->message;
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kCurrent);
  write_unit(shop, "basket", "2.0.0");
  shop.commit("two");
  const auto again = std::chrono::steady_clock::now();
  desired = settled(gitsync, [](const Desired& d) {
    const DesiredStack* stack = stack_of(d, "basket");
    return stack != nullptr && stack->version.major == 2;
  });
  EXPECT_EQ(stack_of(*desired, "basket")->version.major, 2U);
  EXPECT_LT(std::chrono::steady_clock::now() - again, seconds(10));
  const auto end = std::chrono::steady_clock::now();
  opened->reset();
  EXPECT_LT(std::chrono::steady_clock::now() - end, seconds(5)) << "stopping waits for nobody";
}

TEST(Https, AHostThatIsNotThereIsUnreachable) {
  World world;
  std::string port;
  {
    const Canary canary;
    port = canary.port();
  }
  world.watch("shop", "https://127.0.0.1:" + port + "/shop");
  world.watch("desk", "https://no-such-host.invalid/desk");
  const auto gitsync = world.open();
  const auto desired = settled(*gitsync, [](const Desired& d) {
    return problem_of(d, "HostUnreachable", "shop") != nullptr && problem_of(d, "HostUnreachable", "desk") != nullptr;
  });
  EXPECT_NE(problem_of(*desired, "HostUnreachable", "shop"), nullptr) << problems_of(*desired);
  EXPECT_NE(problem_of(*desired, "HostUnreachable", "desk"), nullptr) << problems_of(*desired);
}

/// A real sshd with keys of its own.
class Sshd {
 public:
  explicit Sshd(const World& world) : folder_(world.path("sshd")) {
    std::filesystem::create_directories(folder_);
    for (const char* type : {"ed25519", "ecdsa", "rsa"}) key("host_" + std::string(type), type);
    key("user", "ed25519");
    key("stranger", "ed25519");
    std::filesystem::copy_file(folder_ + "/user.pub", folder_ + "/authorized");
    ::chmod(file("authorized").c_str(), 0600);
    {
      const Canary free_port;
      port_ = free_port.port();
    }
    start({"ed25519", "ecdsa", "rsa"});
  }

  void start(const std::vector<std::string>& types) {
    process_.reset();
    std::string config =
        "Port " + port_ + "\nListenAddress 127.0.0.1\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n" +
        "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nAuthorizedKeysFile " + file("authorized") + "\n";
    for (const std::string& type : types) config += "HostKey " + file("host_" + type) + "\n";
    write_file(file("config"), config);
    std::error_code ignored;
    std::filesystem::create_directory("/run/sshd", ignored);
    process_ = std::make_unique<Process>(std::vector<std::string>{"/usr/sbin/sshd", "-D", "-e", "-f", file("config")}, file("log"));
    EXPECT_TRUE(
        eventually([this] { return read_file(file("log")).find("Server listening") != std::string::npos || !process_->alive(); }));
    EXPECT_TRUE(process_->alive()) << read_file(file("log"));
    std::filesystem::remove(file("log"), ignored);
  }

  void key(const std::string& name, const std::string& type) const {
    std::error_code ignored;
    std::filesystem::remove(file(name), ignored);
    std::vector<std::string> words{"ssh-keygen", "-q", "-t", type, "-N", "", "-C", "test", "-f", file(name)};
    if (type == "rsa") words.insert(words.end(), {"-b", "2048"});
    EXPECT_EQ(run(words).status, 0);
  }

  [[nodiscard]] std::string file(const std::string& name) const { return folder_ + "/" + name; }
  [[nodiscard]] std::string host_key(const std::string& type) const {
    const std::string line = read_file(file("host_" + type + ".pub"));
    return line.substr(0, line.rfind(' '));
  }
  [[nodiscard]] std::string known(const std::string& type) const { return "[127.0.0.1]:" + port_ + " " + host_key(type) + "\n"; }
  [[nodiscard]] std::string url(const std::string& path) const {
    const passwd* user = ::getpwuid(::getuid());
    return "ssh://" + std::string(user != nullptr ? user->pw_name : "root") + "@127.0.0.1:" + port_ + path;
  }
  [[nodiscard]] std::string credentials(const std::string& user_key = "user") const {
    return "credentials: {ssh_key: \"file:" + file(user_key) + "\", known_hosts: \"file:" + file("known_hosts") + "\"}\n";
  }
  [[nodiscard]] const std::string& port() const { return port_; }

 private:
  std::string folder_, port_;
  std::unique_ptr<Process> process_;
};

TEST(Ssh, AKeyWorksWithAnyTypeOfHostKeyThatIsKnown) {
  NEED("/usr/sbin/sshd");
  if (::geteuid() != 0) GTEST_SKIP() << "sshd lets nobody in who has no login shell; run as root";
  World world;
  write_shop(world);
  const Sshd sshd(world);
  // The host offers three keys; only the one in known_hosts may be asked for.
  for (const char* type : {"ed25519", "ecdsa"}) {
    write_file(sshd.file("known_hosts"), "# a comment\nother.example.org " + sshd.host_key("ed25519") + "\n" + sshd.known(type));
    world.watch("shop", sshd.url(world.path("shop")), "release: branch\n" + sshd.credentials());
    const auto gitsync = world.open();
    const auto desired = settled(*gitsync, is_read);
    EXPECT_NE(stack_of(*desired, "basket"), nullptr) << type << " " << problems_of(*desired);
    EXPECT_TRUE(desired->problems.empty()) << type << " " << problems_of(*desired);
    std::filesystem::remove_all(world.path("mirrors"));
  }
  write_file(sshd.file("known_hosts"), sshd.known("ed25519"));
  ASSERT_EQ(run({"ssh-keygen", "-q", "-H", "-f", sshd.file("known_hosts")}).status, 0);
  ASSERT_NE(read_file(sshd.file("known_hosts")).find("|1|"), std::string::npos);
  const auto gitsync = world.open();
  const auto desired = settled(*gitsync, is_read);
  EXPECT_NE(stack_of(*desired, "basket"), nullptr) << "a hashed entry counts: " << problems_of(*desired);
  EXPECT_FALSE(found_below(world.path("mirrors"), "PRIVATE KEY"));
}

struct SshTrouble {
  const char* what;
  std::function<void(const Sshd&)> prepare;
  const char* key;
  const char* code;
  const char* message;
};

class SshTroubles : public ::testing::TestWithParam<SshTrouble> {};

TEST_P(SshTroubles, HaveEachAMessageOfItsOwn) {
  NEED("/usr/sbin/sshd");
  if (::geteuid() != 0) GTEST_SKIP() << "sshd lets nobody in who has no login shell; run as root";
  World world;
  write_shop(world);
  Sshd sshd(world);
  write_file(sshd.file("known_hosts"), sshd.known("ed25519"));
  GetParam().prepare(sshd);
  const bool missing = std::string(GetParam().code) == "RepositoryNotFound";
  world.watch("shop", sshd.url(world.path(missing ? "nothing" : "shop")), "release: branch\n" + sshd.credentials(GetParam().key));
  const auto gitsync = world.open();
  const auto desired = settled(*gitsync, says(GetParam().code));
  const Problem* problem = problem_of(*desired, GetParam().code, "shop");
  ASSERT_NE(problem, nullptr) << problems_of(*desired);
  EXPECT_NE(problem->message.find(GetParam().message), std::string::npos) << problem->message;
  EXPECT_FALSE(problem->way_out.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Ssh, SshTroubles,
    ::testing::Values(SshTrouble{"ChangedHostKey",
                                 [](const Sshd& sshd) {
                                   sshd.key("other", "ed25519");
                                   write_file(sshd.file("known_hosts"),
                                              "[127.0.0.1]:" + sshd.port() + " " + read_file(sshd.file("other.pub")));
                                 },
                                 "user", "HostKeyChanged", "is not the one in known_hosts"},
                      SshTrouble{"UnknownHost",
                                 [](const Sshd& sshd) {
                                   write_file(sshd.file("known_hosts"), "other.example.org " + sshd.host_key("ed25519") + "\n");
                                 },
                                 "user", "HostKeyUnknown", "is not in known_hosts"},
                      SshTrouble{"RevokedHostKey",
                                 [](const Sshd& sshd) {
                                   write_file(sshd.file("known_hosts"),
                                              sshd.known("ed25519") + "@revoked * " + sshd.host_key("ed25519") + "\n");
                                 },
                                 "user", "HostKeyRevoked", "is revoked"},
                      SshTrouble{"RefusedKey", [](const Sshd&) {}, "stranger", "KeyRefused", "refuses the ssh key"},
                      SshTrouble{"NoSuchRepository", [](const Sshd&) {}, "user", "RepositoryNotFound", "no such repository"},
                      SshTrouble{"KeyOpenToOthers", [](const Sshd& sshd) { ::chmod(sshd.file("user").c_str(), 0644); }, "user",
                                 "CredentialRefused", "others than its owner"},
                      SshTrouble{"NoKnownHostsFile", [](const Sshd& sshd) { std::filesystem::remove(sshd.file("known_hosts")); },
                                 "user", "CredentialMissing", "cannot be read"},
                      SshTrouble{"EmptyKnownHosts", [](const Sshd& sshd) { write_file(sshd.file("known_hosts"), ""); }, "user",
                                 "KnownHostsMissing", "no known_hosts"}),
    [](const auto& info) { return info.param.what; });

}  // namespace
}  // namespace nelson
