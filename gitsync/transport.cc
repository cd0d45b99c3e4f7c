#include "gitsync/transport.h"

#include <git2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string_view>
#include <utility>

#include "gitsync/address.h"
#include "gitsync/credentials.h"
#include "gitsync/gate.h"
#include "gitsync/known_hosts.h"
#include "gitsync/listing.h"
#include "state/model/digest.h"

namespace nelson::git {

namespace {

namespace fs = std::filesystem;

constexpr const char* kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::size_t kSingleRefspecs = 200;  // libgit2 compares each with each advertised ref

int g_authority_changes = 0;

/// What the callbacks of one connection know and find out.
struct Session {
  const PollRequest& request;
  Address address;
  std::vector<HostKey> host_keys;
  bool asked = false;  // the credential was given once; a second question means that it was refused
  bool name_asked = false;
  Failure verdict;             // by a callback; goes before whatever libgit2 says
  std::unique_ptr<Gate> gate;  // https only
  std::string where() const { return address.host.empty() ? address.path : host_and_port(address); }
};

int refuse(Session& session, Failure verdict, int code = GIT_EUSER) {
  session.verdict = std::move(verdict);
  git_error_set_str(GIT_ERROR_CALLBACK, session.verdict.message.c_str());
  return code;
}

// --- callbacks ---

Failure host_key_failure(const Session& session, HostVerdict verdict, const std::string& shown) {
  const std::string where = session.where();
  const std::string port = session.address.port == 22 ? "" : "-p " + std::to_string(session.address.port) + " ";
  const std::string scan = "compare " + shown + " with what the host's owner says, then add the output of `ssh-keyscan " + port +
                           session.address.host + "` to the known_hosts file";
  switch (verdict) {
    case HostVerdict::kChanged:
      return failure(ErrorKind::kInvalid, "HostKeyChanged",
                     "the ssh host key of " + where + " is not the one in known_hosts: it shows " + shown,
                     "if the host's owner confirms the new key, replace the old line in the known_hosts file; otherwise somebody "
                     "stands in between");
    case HostVerdict::kOtherType:
      return failure(ErrorKind::kInvalid, "HostKeyUnknown",
                     "known_hosts has keys of " + where + ", but none of the type it shows: " + shown, scan);
    case HostVerdict::kRevoked:
      return failure(ErrorKind::kInvalid, "HostKeyRevoked", "the ssh host key of " + where + " is revoked in known_hosts: " + shown,
                     "the host needs a new key");
    default:
      return failure(ErrorKind::kInvalid, "HostKeyUnknown", "the ssh host " + where + " is not in known_hosts: it shows " + shown,
                     scan);
  }
}

int check_certificate(git_cert* cert, int valid, const char*, void* payload) {
  Session& session = *static_cast<Session*>(payload);
  if (cert->cert_type == GIT_CERT_HOSTKEY_LIBSSH2) {
    const auto* host = reinterpret_cast<const git_cert_hostkey*>(cert);
    if ((host->type & GIT_CERT_SSH_RAW) == 0)
      return refuse(session, failure(ErrorKind::kUnavailable, "HostKeyUnknown", session.where() + " shows no host key"),
                    GIT_ECERTIFICATE);
    const std::string_view key(host->hostkey, host->hostkey_len);
    const HostVerdict verdict = judge(session.host_keys, key);
    if (verdict == HostVerdict::kKnown) return 0;
    return refuse(session, host_key_failure(session, verdict, fingerprint(key)), GIT_ECERTIFICATE);
  }
  // The library's own verdict stands: with GIT_PASSTHROUGH its reason survives.
  return valid != 0 ? 0 : GIT_PASSTHROUGH;
}

bool for_own_host(const Session& session, const char* url) {
  const Reply<Address> asked = parse_address(url == nullptr ? "" : url);
  return asked && asked->host == session.address.host && asked->port == session.address.port &&
         asked->transport == session.address.transport;
}

int give_credential(git_credential** out, const char* url, const char* user_in_url, unsigned int allowed, void* payload) {
  Session& session = *static_cast<Session*>(payload);
  const Credentials& credentials = session.request.credentials;
  const bool ssh = session.address.transport == Transport::kSsh;
  if (!for_own_host(session, url))
    return refuse(
        session, failure(ErrorKind::kInvalid, "RedirectRefused", "a credential was asked for another host than " + session.where()),
        GIT_EAUTH);
  const std::string user = !session.address.user.empty() ? session.address.user : !credentials.user.empty() ? credentials.user : "";
  if ((allowed & GIT_CREDENTIAL_USERNAME) != 0 && !session.name_asked) {
    session.name_asked = true;
    return git_credential_username_new(out, user.empty() ? "git" : user.c_str());
  }
  const bool have = ssh ? !credentials.ssh_key.empty() : !credentials.token.empty();
  if (session.asked)
    return refuse(session,
                  failure(ErrorKind::kInvalid, ssh ? "KeyRefused" : "TokenRefused",
                          session.where() + (ssh ? " refuses the ssh key" : " refuses the token (401)"),
                          ssh ? "check that the key may read this repository (RSA keys are refused by most hosts: use ed25519)"
                              : "the token is wrong, expired or revoked: put a new one where the reference points"),
                  GIT_EAUTH);
  if (!have)
    return refuse(
        session,
        failure(ErrorKind::kInvalid, "CredentialMissing", session.where() + " asks for a credential and none is configured",
                ssh ? "add credentials: ssh_key: file:/path" : "add credentials: token: file:/path or env:NAME"),
        GIT_EAUTH);
  session.asked = true;
  if (ssh && (allowed & GIT_CREDENTIAL_SSH_MEMORY) != 0)
    return git_credential_ssh_key_memory_new(out, user_in_url != nullptr ? user_in_url : "git", nullptr,
                                             credentials.ssh_key.c_str(), nullptr);
  if (!ssh && (allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) != 0)
    return git_credential_userpass_plaintext_new(out, user.empty() ? "x-access-token" : user.c_str(), credentials.token.c_str());
  return refuse(session,
                failure(ErrorKind::kInvalid, "CredentialKind",
                        session.where() + " wants another kind of credential than " + (ssh ? "a key" : "a token")),
                GIT_EAUTH);
}

int watch_transfer(const git_indexer_progress* progress, void* payload) {
  Session& session = *static_cast<Session*>(payload);
  if (progress->received_bytes <= kMaximumPackBytes && progress->total_objects <= kMaximumObjects) return 0;
  return refuse(session,
                failure(ErrorKind::kInvalid, "RepositoryTooBig", "the repository is larger than 256 MiB or 100,000 objects",
                        "keep manifests in a smaller repository"));
}

// --- what libgit2's errors mean ---

struct Meaning {
  std::string_view text;  // part of libgit2's message
  ErrorKind kind;
  const char* code;
  const char* message;  // after the place
  const char* way_out;
};

constexpr Meaning kMeanings[] = {
    {"unexpected http status code: 401", ErrorKind::kInvalid, "TokenRefused", "refuses the token (401)",
     "the token is wrong, expired or revoked: put a new one where the reference points"},
    {"unexpected authentication failure", ErrorKind::kInvalid, "TokenRefused", "refuses the token (401)",
     "the token is wrong, expired or revoked: put a new one where the reference points"},
    {"unexpected http status code: 403", ErrorKind::kInvalid, "TokenRefused", "refuses access (403)",
     "give the token the right to read this repository, or put another where the reference points"},
    {"unexpected http status code: 404", ErrorKind::kUnavailable, "RepositoryNotFound", "has no such repository (404)",
     "check the url, and that the token may read it"},
    {"unexpected http status code: 407", ErrorKind::kInvalid, "ProxyRefused", "is behind a proxy that asks for a credential (407)",
     "set it in the proxy variable"},
    {"unexpected http status code: 429", ErrorKind::kUnavailable, "HostTrouble", "asks us to wait (429)",
     "a longer poll interval helps"},
    {"unexpected http status code", ErrorKind::kUnavailable, "HostTrouble", "answers with an error", "nelson asks again"},
    {"failed to resolve address", ErrorKind::kUnavailable, "HostUnreachable", "cannot be found by name",
     "check the url's host and the name service; nelson asks again"},
    {"failed to connect", ErrorKind::kUnavailable, "HostUnreachable", "does not accept connections", "nelson asks again"},
    {"does not appear to be a git repo", ErrorKind::kUnavailable, "RepositoryNotFound", "has no such repository",
     "check the url's path"},
    {"epository not found", ErrorKind::kUnavailable, "RepositoryNotFound", "has no such repository",
     "check the url, and that the key may read it"},
    {"could not find repository", ErrorKind::kUnavailable, "RepositoryNotFound", "is not a Git repository", "check the path"},
    {"failed to resolve path", ErrorKind::kUnavailable, "RepositoryNotFound", "is not a Git repository", "check the path"},
    {"not owned by current user", ErrorKind::kInvalid, "RepositoryOwner", "belongs to another user than the one that runs nelson",
     "change its owner, or serve it by ssh or https"},
    {"too many redirects", ErrorKind::kInvalid, "RedirectRefused", "redirects in a circle", "write the final url"},
    {"too many objects", ErrorKind::kInvalid, "RepositoryTooBig", "holds a repository of more than 100,000 objects",
     "keep manifests in a smaller repository"},
    {"No space left", ErrorKind::kUnavailable, "DiskFull", "could not be mirrored: the disk is full",
     "make room below the mirror folder"},
};

/// Where libgit2 did not want to be sent; "" when its error is another one.
std::string redirect_target(const std::string& text) {
  if (text.find("cannot redirect from") == std::string::npos) return "";
  const std::size_t to = text.find("' to '");
  if (to == std::string::npos) return "another address";
  const std::string target = text.substr(to + 6, text.find('\'', to + 6) - to - 6);
  const std::size_t scheme = target.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  return target.substr(begin, target.find_first_of("/?#", begin) - begin);
}

Failure explain(const Session& session, int code, Phase phase) {
  if (!session.verdict.code.empty()) return session.verdict;
  const std::string raw = last_error();
  const std::string text = scrubbed(raw, session.request.credentials);
  const std::string where = scrubbed(session.where(), session.request.credentials);
  const std::string target = session.gate && !session.gate->refused().empty() ? session.gate->refused() : redirect_target(raw);
  if (!target.empty())
    return failure(ErrorKind::kInvalid, "RedirectRefused", where + " redirects to " + scrubbed(target, session.request.credentials),
                   "that was not followed, and nothing was sent there; if the repository has moved, write its new url");
  if (session.gate && session.gate->overflowed()) return endless_list(where);
  if (code == GIT_ECERTIFICATE || raw.find("SSL certificate is invalid") != std::string::npos)
    return failure(ErrorKind::kInvalid, "CertificateRefused", "the TLS certificate of " + where + " does not verify (" + text + ")",
                   "if the host has a private authority, name it with credentials: ca: file:/path; otherwise the host must renew "
                   "its certificate");
  if (raw.find("Out of memory") != std::string::npos || raw.find("Cannot allocate memory") != std::string::npos) {
    if (phase == Phase::kListing) return endless_list(where);
    return failure(ErrorKind::kInvalid, "RepositoryTooBig", "the repository at " + where + " needs more than 256 MiB to be read",
                   "keep manifests in a smaller repository");
  }
  for (const Meaning& meaning : kMeanings)
    if (raw.find(meaning.text) != std::string::npos) {
      const bool bare = std::string_view(meaning.code) == "HostTrouble" || std::string_view(meaning.code) == "HostUnreachable";
      return failure(meaning.kind, meaning.code, where + " " + meaning.message + (bare ? " (" + text + ")" : ""), meaning.way_out);
    }
  return failure(ErrorKind::kUnavailable, "GitTrouble", where + ": " + (text.empty() ? "no answer that Git understands" : text),
                 "nelson asks again");
}

// --- trust ---

/// A folder below the mirrors' for public trust material, named by its content; libgit2 takes only folders and files of fixed names.
Reply<std::string> trust_folder(const PollRequest& request, const std::string& name, const std::string& content) {
  const fs::path folder = fs::path(request.repository).parent_path() / "trust" / to_hex(sha256(content)).substr(0, 32);
  const fs::path file = folder / name;
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (!content.empty() && !fs::exists(file, error)) {
    const fs::path fresh = file.string() + "." + std::to_string(::getpid());
    std::ofstream out(fresh, std::ios::binary);
    out << content;
    out.close();
    if (!out)
      return failure(ErrorKind::kUnavailable, "MirrorFolder", fresh.string() + " cannot be written",
                     "make room below the mirror folder");
    fs::rename(fresh, file, error);
  }
  if (error)
    return failure(ErrorKind::kUnavailable, "MirrorFolder", folder.string() + " cannot be made: " + error.message(),
                   "check the mirror folder");
  return folder.string();
}

/// Certificate authorities are the process's, so each request states its own: those of the system and, with `ca`, the private one.
Reply<bool> trust_authorities(const PollRequest& request) {
  static std::string current;  // "" is how the library starts: the system's
  if (request.credentials.ca == current) return true;
  if (!request.credentials.ca.empty() && request.credentials.ca.find("-----BEGIN CERTIFICATE-----") == std::string::npos)
    return failure(ErrorKind::kInvalid, "CertificateAuthority", "the file named by credentials: ca: holds no PEM certificate",
                   "write the authority's certificate there, beginning with -----BEGIN CERTIFICATE-----");
  const Reply<std::string> folder = trust_folder(request, "ca.pem", request.credentials.ca);
  if (!folder) return folder.failure();
  const char* system = ::access(kSystemAuthorities, R_OK) == 0 ? kSystemAuthorities : nullptr;
  ++g_authority_changes;
  if (git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, system, folder->c_str()) != 0)
    return failure(ErrorKind::kInvalid, "CertificateAuthority", "the certificate authorities cannot be read: " + last_error());
  current = request.credentials.ca;
  return true;
}

/// libssh2 asks the host for a key type of its own choice unless a known_hosts file says which one we can verify.
Reply<bool> trust_host(Session& session) {
  const Credentials& credentials = session.request.credentials;
  if (credentials.known_hosts.empty())
    return failure(ErrorKind::kInvalid, "KnownHostsMissing", "the ssh repository at " + session.where() + " has no known_hosts",
                   "add credentials: known_hosts: file:/path with the host's key");
  session.host_keys = keys_of(credentials.known_hosts, session.address.host, session.address.port);
  constexpr std::string_view kPreferred[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
                                             "ssh-rsa"};
  std::string line;
  for (const std::string_view type : kPreferred)
    for (const HostKey& key : session.host_keys)
      if (line.empty() && key.type == type && !key.revoked)
        line = known_hosts_line(key, session.address.host, session.address.port);
  const Reply<std::string> folder = trust_folder(session.request, ".ssh/known_hosts", line);
  if (!folder) return folder.failure();
  // The process's home is its working folder.
  if (::chdir(folder->c_str()) != 0)
    return failure(ErrorKind::kUnavailable, "MirrorFolder", *folder + " cannot be entered: " + std::strerror(errno),
                   "check the mirror folder");
  return true;
}

// --- refs ---

/// The refs of the mirror that differ from the listing.
struct Moves {
  std::vector<std::string> set, remove;
};

Moves moves_of(git_repository* repository, const Listing& listing) {
  Moves out;
  for (const auto& [name, id] : listing.references) {
    git_oid have;
    if (git_reference_name_to_id(&have, repository, name.c_str()) != 0 || git_oid_equal(&have, &id) == 0) out.set.push_back(name);
  }
  git_strarray names{};
  if (git_reference_list(&names, repository) == 0) {
    for (std::size_t i = 0; i < names.count; ++i)
      if (std::string_view(names.strings[i]).starts_with("refs/tags/") && !listing.references.contains(names.strings[i]))
        out.remove.emplace_back(names.strings[i]);
    git_strarray_dispose(&names);
  }
  return out;
}

/// Packs that a killed child left half-written.
void remove_leftovers(git_repository* repository) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(git_repository_path(repository)) / "objects" / "pack", error))
    if (entry.path().filename().string().starts_with("pack_git2_")) fs::remove(entry.path(), error);
}

int download(git_remote* remote, Session& session, const std::vector<std::string>& names, const git_fetch_options& options) {
  std::vector<std::string> specs;
  if (names.size() <= kSingleRefspecs) {
    for (const std::string& name : names) specs.push_back("+" + name + ":" + name);
  } else {
    specs = {"+refs/heads/" + session.request.branch + ":refs/heads/" + session.request.branch, "+refs/tags/*:refs/tags/*"};
  }
  std::vector<char*> raw;
  for (std::string& spec : specs) raw.push_back(spec.data());
  const git_strarray all{raw.data(), raw.size()};
  return git_remote_download(remote, &all, &options);
}

int move_references(git_repository* repository, const Listing& listing, const Moves& moves) {
  for (const std::string& name : moves.set) {
    Handle<git_reference> reference;
    if (const int error = git_reference_create(reference.out(), repository, name.c_str(), &listing.references.at(name), 1, nullptr);
        error != 0)
      return error;
  }
  for (const std::string& name : moves.remove)
    if (const int error = git_reference_remove(repository, name.c_str()); error != 0) return error;
  if (moves.set.size() + moves.remove.size() <= kSingleRefspecs) return 0;
  git_refdb* refs = nullptr;
  int error = git_repository_refdb(&refs, repository);
  if (error == 0) error = git_refdb_compress(refs);
  git_refdb_free(refs);
  return error;
}

// --- mirror ---

Reply<git_repository*> create_mirror(Mirrors& mirrors, const std::string& path) {
  mirrors.close(path);
  std::error_code error;
  fs::remove_all(path, error);
  git_repository_init_options options;
  git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
  options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKDIR | GIT_REPOSITORY_INIT_MKPATH;
  options.mode = 0700;
  Handle<git_repository> repository;
  if (git_repository_init_ext(repository.out(), path.c_str(), &options) != 0)
    return failure(ErrorKind::kUnavailable, "MirrorFolder", path + " cannot be made: " + last_error(),
                   "check the mirror folder and its disk");
  repository.reset();
  return mirrors.open(path);
}

/// `made` says that it is a new one, with nothing in it.
Reply<git_repository*> open_mirror(Mirrors& mirrors, const PollRequest& request, bool& rebuilt, bool& made) {
  if (!request.rebuild) {
    Reply<git_repository*> found = mirrors.open(request.repository);
    if (found) return found;
    if (found.failure().code != "MirrorMissing" && found.failure().code != kMirrorDamaged) return found;
    rebuilt = found.failure().code == kMirrorDamaged;
  } else {
    rebuilt = true;
  }
  made = true;
  return create_mirror(mirrors, request.repository);
}

git_remote_callbacks callbacks_of(Session& session) {
  git_remote_callbacks callbacks;
  git_remote_init_callbacks(&callbacks, GIT_REMOTE_CALLBACKS_VERSION);
  callbacks.credentials = give_credential;
  callbacks.certificate_check = check_certificate;
  callbacks.transfer_progress = watch_transfer;
  callbacks.payload = &session;
  return callbacks;
}

/// References of the mirror after the poll; of tags only those that matter.
Reply<PollAnswer> conclude(git_repository* repository, const Listing& listing, const PollRequest& request, PollAnswer answer) {
  Reply<References> references = references_of(repository, request.branch);
  if (!references) return references.failure();
  answer.references = std::move(*references);
  answer.branch_missing = listing.branch_missing;
  answer.empty = listing.empty;
  answer.ignored = listing.ignored;
  return answer;
}

Reply<PollAnswer> talk(git_repository* repository, Session& session, const std::function<void(Phase)>& phase, PollAnswer answer,
                       bool made) {
  const PollRequest& request = session.request;
  Handle<git_remote> remote;
  // Without SKIP_INSTEADOF each remote would leak a snapshot of the configuration, which we keep empty anyway.
  git_remote_create_options create;
  git_remote_create_options_init(&create, GIT_REMOTE_CREATE_OPTIONS_VERSION);
  create.repository = repository;
  create.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF | GIT_REMOTE_CREATE_SKIP_DEFAULT_FETCHSPEC;
  if (git_remote_create_with_opts(remote.out(), request.url.c_str(), &create) != 0)
    return failure(ErrorKind::kUnavailable, kMirrorDamaged, "the mirror cannot be used: " + last_error(),
                   "the mirror is fetched anew");
  git_remote_connect_options connect;
  git_remote_connect_options_init(&connect, GIT_REMOTE_CONNECT_OPTIONS_VERSION);
  connect.callbacks = callbacks_of(session);
  connect.proxy_opts.type = GIT_PROXY_AUTO;
  // NONE still follows redirects on the same host, and INITIAL would follow those to another.
  connect.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
  phase(Phase::kListing);
  git_error_clear();
  if (const int error = git_remote_connect_ext(remote.get(), GIT_DIRECTION_FETCH, &connect); error != 0)
    return explain(session, error, Phase::kListing);
  if (session.gate) session.gate->listed();
  Reply<Listing> listing = list_references(remote.get(), request);
  if (!listing) return listing.failure().message.empty() ? explain(session, 0, Phase::kListing) : listing.failure();
  phase(Phase::kComparing);
  answer.digest = digest_of(*listing);
  if (answer.digest == request.known && !made) {
    answer.unchanged = true;
    return answer;
  }
  const Moves moves = moves_of(repository, *listing);
  if (!moves.set.empty()) {
    remove_leftovers(repository);
    git_fetch_options options;
    git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
    options.callbacks = connect.callbacks;
    options.proxy_opts = connect.proxy_opts;
    options.follow_redirects = connect.follow_redirects;
    options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
    options.update_fetchhead = 0;
    phase(Phase::kFetching);
    git_error_clear();
    if (const int error = download(remote.get(), session, moves.set, options); error != 0)
      return explain(session, error, Phase::kFetching);
  }
  if (move_references(repository, *listing, moves) != 0) {
    Failure trouble = explain(session, 0, Phase::kFetching);
    if (trouble.code == "GitTrouble") trouble.code = kMirrorDamaged;  // only files of ours were touched
    return trouble;
  }
  answer.fetched = !moves.set.empty() || !moves.remove.empty();
  git_remote_disconnect(remote.get());
  return conclude(repository, *listing, request, std::move(answer));
}

}  // namespace

Reply<PollAnswer> poll(Mirrors& mirrors, const PollRequest& request, const std::function<void(Phase)>& phase) {
  Reply<Address> address = parse_address(request.url);
  if (!address) return address.failure();
  if (git_reference_is_valid_name(("refs/heads/" + request.branch).c_str()) != 1)
    return failure(ErrorKind::kInvalid, "BranchName", "the branch's name is not one", "write branch: main");
  Session session{request, *address, {}, false, false, {}, nullptr};
  if (address->transport == Transport::kHttps) {
    if (const Reply<bool> trusted = trust_authorities(request); !trusted) return trusted.failure();
    session.gate = std::make_unique<Gate>(address->host, address->port);
  }
  if (address->transport == Transport::kSsh) {
    if (const Reply<bool> trusted = trust_host(session); !trusted) return trusted.failure();
  }
  PollAnswer answer;
  bool made = false;
  Reply<git_repository*> repository = open_mirror(mirrors, request, answer.rebuilt, made);
  if (!repository) return repository.failure();
  return talk(*repository, session, phase, std::move(answer), made);
}

int authority_changes() { return g_authority_changes; }

}  // namespace nelson::git
