#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "gitsync/address.h"
#include "gitsync/child.h"
#include "gitsync/credentials.h"
#include "gitsync/known_hosts.h"
#include "tests/gitsync/git_fixture.h"

namespace nelson::git {
namespace {

using namespace nelson::gitsync_test;
using Repository = ::nelson::gitsync_test::Git;
using std::chrono::seconds;

Deadline soon() { return std::chrono::steady_clock::now() + seconds(60); }

// --- addresses ---

struct Url {
  const char* what;
  const char* url;
  bool well;
  Transport transport = Transport::kLocal;
  const char* host = "";
  std::uint16_t port = 0;
};

class Addresses : public ::testing::TestWithParam<Url> {};

TEST_P(Addresses, AreTakenApartOrRefused) {
  const Reply<Address> address = parse_address(GetParam().url);
  ASSERT_EQ(static_cast<bool>(address), GetParam().well) << GetParam().url << " " << address.failure().message;
  if (!address) {
    EXPECT_FALSE(address.failure().way_out.empty());
    EXPECT_EQ(address.failure().message.find("hunter2"), std::string::npos);
    return;
  }
  EXPECT_EQ(address->transport, GetParam().transport);
  EXPECT_EQ(address->host, GetParam().host);
  EXPECT_EQ(address->port, GetParam().port);
}

INSTANTIATE_TEST_SUITE_P(
    Mirror, Addresses,
    ::testing::Values(Url{"Https", "https://git.example.org/a/b.git", true, Transport::kHttps, "git.example.org", 443},
                      Url{"HttpsWithAPort", "https://git.example.org:8443/a", true, Transport::kHttps, "git.example.org", 8443},
                      Url{"HttpsOfAnIpv6Address", "https://[::1]:8443/a", true, Transport::kHttps, "::1", 8443},
                      Url{"Ssh", "ssh://git@git.example.org:2222/a", true, Transport::kSsh, "git.example.org", 2222},
                      Url{"SshAsGitWritesIt", "git@git.example.org:a/b.git", true, Transport::kSsh, "git.example.org", 22},
                      Url{"AFileUrl", "file:///srv/git/a", true}, Url{"APath", "/srv/git/a", true},
                      Url{"GitOnTheLoopback", "git://127.0.0.1:9418/a", true, Transport::kGit, "127.0.0.1", 9418},
                      Url{"GitElsewhere", "git://git.example.org/a", false}, Url{"PlainHttp", "http://git.example.org/a", false},
                      Url{"APassword", "https://x:hunter2@git.example.org/a", false},
                      Url{"AUserInHttps", "https://hunter2@git.example.org/a", false},
                      Url{"APasswordInSsh", "ssh://git:hunter2@git.example.org/a", false},
                      Url{"AnOptionAsHost", "ssh://-oProxyCommand=id/a", false},
                      Url{"AnOptionAsScpHost", "-oProxyCommand=id:a", false}, Url{"AnOptionAsUser", "ssh://-x@host/a", false},
                      Url{"APortOfLetters", "https://host:abc/a", false}, Url{"APortTooHigh", "https://host:70000/a", false},
                      Url{"NoPath", "https://host/", false}, Url{"Nothing", "", false}, Url{"ABlank", "https://host/a b", false},
                      Url{"ANewline", "https://host/a\nb", false}, Url{"AQuote", "ssh://git@host/a';id'", false},
                      Url{"ARelativePath", "a/b", false}, Url{"AnExtTransport", "ext::sh -c id", false},
                      Url{"ARelativeFileUrl", "file://a/b", false}, Url{"ABrokenBracket", "https://[::1/a", false}),
    [](const auto& info) { return info.param.what; });

TEST(Addresses, CompareWithoutWhatMakesNoDifference) {
  const std::string plain = comparable_url("https://git.example.org/a/b");
  for (const char* url : {"https://git.example.org:443/a/b.git", "ssh://git@git.example.org:22/a/b", "git@git.example.org:a/b.git",
                          "git@git.example.org:/a/b", "ssh://git.example.org/a/b/"})
    EXPECT_EQ(comparable_url(url), plain) << url;
  for (const char* url : {"https://git.example.org:8443/a/b", "ssh://git@git.example.org:2222/a/b", "git@git.example.org:a"})
    EXPECT_NE(comparable_url(url), plain) << url;
}

// --- known hosts ---

constexpr const char* kKeyA = "AAAAC3NzaC1lZDI1NTE5AAAAIIqQZ0Jm0W8T7r5m4Vb2m5lYcA0v0c2s9i1mF0Yl7Yxw";
constexpr const char* kKeyB = "AAAAC3NzaC1lZDI1NTE5AAAAIO2T0b0m0W8T7r5m4Vb2m5lYcA0v0c2s9i1mF0Yl7Yxx";

struct Hosts {
  const char* what;
  std::string file;
  const char* host;
  std::uint16_t port;
  std::size_t keys;
};

class KnownHosts : public ::testing::TestWithParam<Hosts> {};

TEST_P(KnownHosts, HaveTheKeysOfTheirHost) {
  EXPECT_EQ(keys_of(GetParam().file, GetParam().host, GetParam().port).size(), GetParam().keys);
}

std::string line(const std::string& names, const std::string& key = kKeyA) { return names + " ssh-ed25519 " + key + " comment\n"; }

INSTANTIATE_TEST_SUITE_P(
    Mirror, KnownHosts,
    ::testing::Values(Hosts{"APlainName", line("example.org"), "example.org", 22, 1},
                      Hosts{"AnotherName", line("example.org"), "example.com", 22, 0},
                      Hosts{"ANameInCapitals", line("Example.ORG"), "EXAMPLE.org", 22, 1},
                      Hosts{"ANameForAnotherPort", line("example.org"), "example.org", 2222, 0},
                      Hosts{"APortInBrackets", line("[example.org]:2222"), "example.org", 2222, 1},
                      Hosts{"TheWrongPortInBrackets", line("[example.org]:2222"), "example.org", 22, 0},
                      Hosts{"AListOfNames", line("a.org,example.org,10.0.0.1"), "10.0.0.1", 22, 1},
                      Hosts{"AStar", line("*.example.org"), "git.example.org", 22, 1},
                      Hosts{"AQuestionMark", line("git?.example.org"), "git1.example.org", 22, 1},
                      Hosts{"AnExclusion", line("*.example.org,!git.example.org"), "git.example.org", 22, 0},
                      Hosts{"TwoKeys", line("example.org") + line("example.org", kKeyB), "example.org", 22, 2},
                      Hosts{"Comments", "# x\n\n  \n" + line("example.org"), "example.org", 22, 1},
                      Hosts{"AnAuthorityOfCertificates", "@cert-authority " + line("example.org"), "example.org", 22, 0},
                      Hosts{"NoLineEnd", "example.org ssh-ed25519 " + std::string(kKeyA), "example.org", 22, 1},
                      Hosts{"ATypeThatIsNotTheKeys", "example.org ssh-rsa " + std::string(kKeyA) + "\n", "example.org", 22, 0},
                      Hosts{"ABrokenKey", "example.org ssh-ed25519 AAAA!\n", "example.org", 22, 0},
                      Hosts{"OnlyAName", "example.org\n", "example.org", 22, 0},
                      Hosts{"ABrokenHash", line("|1|nonsense"), "example.org", 22, 0},
                      Hosts{"ManyStars", line(std::string(2000, '*')), "example.org", 22, 1}),
    [](const auto& info) { return info.param.what; });

TEST(KnownHosts, AHashedNameIsFoundAsSshKeygenWritesIt) {
  if (!have_program("ssh-keygen")) GTEST_SKIP() << "ssh-keygen is not installed";
  TempFolder folder;
  write_file(folder / "hosts", line("example.org") + line("[example.org]:2222", kKeyB));
  ASSERT_EQ(run({"ssh-keygen", "-q", "-H", "-f", folder / "hosts"}).status, 0);
  const std::string text = read_file(folder / "hosts");
  ASSERT_EQ(text.find("example"), std::string::npos);
  EXPECT_EQ(keys_of(text, "example.org", 22).size(), 1U);
  EXPECT_EQ(keys_of(text, "example.org", 2222).size(), 1U);
  EXPECT_EQ(keys_of(text, "example.com", 22).size(), 0U);
}

TEST(KnownHosts, VerdictsDiffer) {
  const auto a = keys_of(line("h"), "h", 22), b = keys_of(line("h", kKeyB), "h", 22);
  const auto revoked = keys_of("@revoked " + line("*") + line("h"), "h", 22);
  const auto other_type = std::vector<HostKey>{{"ssh-rsa", "not this", false}};
  ASSERT_EQ(a.size(), 1U);
  EXPECT_EQ(judge(a, a[0].key), HostVerdict::kKnown);
  EXPECT_EQ(judge(b, a[0].key), HostVerdict::kChanged);
  EXPECT_EQ(judge({}, a[0].key), HostVerdict::kUnknown);
  EXPECT_EQ(judge(other_type, a[0].key), HostVerdict::kOtherType);
  EXPECT_EQ(judge(revoked, a[0].key), HostVerdict::kRevoked);
}

// --- credentials ---

struct Reference {
  const char* what;
  const char* mode;  // of the file, "" for an environment variable
  const char* code;  // "" when it is read
};

class CredentialFiles : public ::testing::TestWithParam<Reference> {};

TEST_P(CredentialFiles, AreReadOnlyWhenNobodyElseMayReadThem) {
  TempFolder folder;
  write_file(folder / "token", "canary-secret\n", static_cast<unsigned>(std::strtoul(GetParam().mode, nullptr, 8)));
  CredentialReferences references;
  references.token = "file:" + (folder / "token");
  const Reply<Credentials> credentials = read_credentials(references);
  if (*GetParam().code == '\0') {
    ASSERT_TRUE(credentials) << credentials.failure().message;
    EXPECT_EQ(credentials->token, "canary-secret");
  } else {
    ASSERT_FALSE(credentials);
    EXPECT_EQ(credentials.failure().code, GetParam().code);
    EXPECT_EQ(credentials.failure().message.find("canary"), std::string::npos);
    EXPECT_NE(credentials.failure().message.find("token"), std::string::npos) << "names the file";
  }
}
INSTANTIATE_TEST_SUITE_P(Mirror, CredentialFiles,
                         ::testing::Values(Reference{"Private", "0600", ""}, Reference{"PrivateAndReadOnly", "0400", ""},
                                           Reference{"ReadableByTheGroup", "0640", "CredentialRefused"},
                                           Reference{"ReadableByAll", "0604", "CredentialRefused"},
                                           Reference{"WritableByTheGroup", "0620", "CredentialRefused"}),
                         [](const auto& info) { return info.param.what; });

TEST(Credentials, OtherReferencesAreRefusedWithoutRepeatingThem) {
  for (const char* reference : {"canary-plain-token", "vault:canary/path#key", "env:NELSON_TEST_NOT_SET", "file:/nonexistent/x",
                                "file:/dev/zero", "file:/tmp"}) {
    CredentialReferences references;
    references.token = reference;
    const Reply<Credentials> credentials = read_credentials(references);
    ASSERT_FALSE(credentials) << reference;
    EXPECT_EQ(credentials.failure().message.find("canary"), std::string::npos) << credentials.failure().message;
  }
}

TEST(Credentials, TextsAreScrubbed) {
  Credentials credentials;
  credentials.token = "canary-token";
  EXPECT_EQ(scrubbed("a canary-token b", credentials), "a *** b");
  EXPECT_EQ(scrubbed("at https://user:pw@host/x and ssh://git@h:1/y", credentials), "at https://host/x and ssh://h:1/y");
  EXPECT_EQ(scrubbed("line\nwith \x1b[31mescape\x07", credentials), "line with  [31mescape");
  EXPECT_LE(scrubbed(std::string(10'000, 'x'), credentials).size(), 500U);
}

// --- repositories with sharp edges ---

/// Feeds git fast-import.
void import(const Repository& repository, const std::string& stream) {
  write_file(repository.folder() + "/.git/stream", stream);
  const Ran ran = run({"sh", "-c", "git fast-import --quiet --force < .git/stream"}, repository.folder());
  ASSERT_EQ(ran.status, 0) << ran.output;
}

std::string data(const std::string& text) { return "data " + std::to_string(text.size()) + "\n" + text + "\n"; }

std::string commit_of(int mark, const std::string& parent, const std::string& files, const std::string& date = "1700000000 +0000") {
  return "commit refs/heads/main\nmark :" + std::to_string(mark) + "\ncommitter T <t@example.org> " + date + "\n" + data("m") +
         (parent.empty() ? "" : "from " + parent + "\n") + files;
}

std::string broken_history(int broken) {
  const std::string deployable = "name: basket\nversion: 1.0.0\noutput: {kind: image, image: registry.example.org/basket:1.0.0}\n";
  std::string stream = commit_of(1, "",
                                 "M 100644 inline .nelson.yml\n" + data(manifest_of({"basket"})) +
                                     "M 100644 inline basket.deployable.yml\n" + data(deployable));
  for (int i = 0; i < broken; ++i)
    stream +=
        commit_of(i + 2, ":" + std::to_string(i + 1),
                  i == 0 ? "M 100644 inline .nelson.yml\n" + data("units: [\n") : "M 100644 inline x\n" + data(std::to_string(i)));
  return stream;
}

TEST(Mirror, TheLastGoodRevisionIsLookedForWithinAThousandCommits) {
  for (const int broken : {998, 1'001}) {
    World world;
    const Repository shop(world.path("shop"));
    import(shop, broken_history(broken));
    world.watch("shop", shop.url());
    const auto gitsync = world.open();
    const auto desired = synced(*gitsync);
    EXPECT_EQ(stack_of(*desired, "basket") != nullptr, broken < 1'000) << broken << problems_of(*desired);
    EXPECT_EQ(desired->repositories.at("shop").state, broken < 1'000 ? RepositoryState::kLastGood : RepositoryState::kUnknown);
  }
}

TEST(Mirror, DatesDecideNothing) {
  World world;
  const Repository shop(world.path("shop"));
  const auto deployable = [](const char* version) {
    return "M 100644 inline basket.deployable.yml\n" + data(std::string("name: basket\nversion: ") + version +
                                                            "\noutput: {kind: image, image: registry.example.org/basket:1}\n");
  };
  import(shop, commit_of(1, "", "M 100644 inline .nelson.yml\n" + data(manifest_of({"basket"})) + deployable("1.0.0"),
                         "4102444800 +0000") +
                   commit_of(2, ":1", deployable("1.1.0"), "0 +0000"));
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  ASSERT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  EXPECT_EQ(stack_of(*desired, "basket")->version, (Version{1, 1, 0}));
}

TEST(Mirror, ARepositoryOfMoreThanAHundredThousandObjectsIsRefused) {
  World world;
  const Repository shop(world.path("shop"));
  std::string files;
  for (int i = 0; i < 100'200; ++i)
    files += "M 100644 inline d" + std::to_string(i % 300) + "/f" + std::to_string(i) + "\n" + data(std::to_string(i));
  import(shop, commit_of(1, "", files));
  const Repository desk(world.path("desk"));
  write_unit(desk, "desk", "1.0.0");
  desk.commit("one");
  world.watch("shop", shop.url());
  world.watch("desk", desk.url());
  const auto gitsync = world.open();
  std::shared_ptr<const Desired> desired;
  ASSERT_TRUE(eventually(
      [&] {
        desired = synced(*gitsync, false);
        return problem_of(*desired, "RepositoryTooBig", "shop") != nullptr;
      },
      seconds(90)))
      << problems_of(*desired);
  EXPECT_NE(stack_of(*desired, "desk"), nullptr) << "harms nobody else";
}

TEST(Mirror, ABlobOfManyMegabytesInASmallPackIsNeverUnfolded) {
  World world;
  const Repository shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  shop.write("app/zeros", std::string(140 << 20, '\0'));
  shop.commit("one");
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  const auto desired = settled(*gitsync, is_read);
  ASSERT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  const std::string out = world.path("out");
  std::filesystem::create_directory(out);
  const auto before = gitsync->counters();
  const Status exported = gitsync->export_tree("shop", stack_of(*desired, "basket")->artifact.tree, out);
  ASSERT_FALSE(exported);
  EXPECT_NE(exported.error().message.find("64 MiB"), std::string::npos) << exported.error().message;
  EXPECT_LE(gitsync->counters().children_started, before.children_started + 1) << "no child died of it";
}

TEST(Mirror, FoldersThatAreTooDeepOrHaveNoNameInUtf8AreNotFollowed) {
  World world;
  const Repository shop(world.path("shop"));
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "d/";
  for (const std::string& folder :
       {deep, std::string("\xff"), std::string("overlong \xc0\xaf"), std::string("overlong \xe0\x80\xaf"),
        std::string("surrogate \xed\xa0\x80"), std::string("beyond \xf4\x90\x80\x80")})
    shop.write(folder + "/.nelson.yml", "nonsense");
  write_unit(shop, "basket", "1.0.0");
  shop.commit("one");
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  EXPECT_NE(stack_of(*desired, "basket"), nullptr);
  EXPECT_TRUE(desired->problems.empty()) << problems_of(*desired);
}

TEST(Mirror, ConfigurationOfTheUserIsNotRead) {
  World world;
  const Repository shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  shop.commit("one");
  world.watch("shop", shop.url());
  write_file(world.path("home/.gitconfig"), "[url \"file:///nonexistent/\"]\n  insteadOf = file://\n");
  const char* home = std::getenv("HOME");
  const std::string before = home == nullptr ? "" : home;
  ASSERT_EQ(::setenv("HOME", world.path("home").c_str(), 1), 0);
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  EXPECT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  ::setenv("HOME", before.c_str(), 1);
}

TEST(Mirror, AHalfWrittenPackOfAKilledChildIsRemoved) {
  World world;
  const Repository shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  shop.commit("one");
  const std::string mirror = world.path("mirror.git");
  Child child("", -1);
  PollRequest request;
  request.repository = mirror;
  request.url = shop.url();
  request.branch = "main";
  ASSERT_TRUE(child.ask(request, soon()));
  write_file(mirror + "/objects/pack/pack_git2_left", "half");
  shop.write("x", "x");
  shop.commit("two");
  ASSERT_TRUE(child.ask(request, soon()));
  EXPECT_FALSE(std::filesystem::exists(mirror + "/objects/pack/pack_git2_left"));
}

}  // namespace
}  // namespace nelson::git
