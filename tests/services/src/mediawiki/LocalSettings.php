<?php
// Settings of the test wikis: two wikis behind one server, told apart by the Host header.
// Maintenance scripts have no such header and name the wiki by MILLRACE_WIKI.

$wikis = [ 'en.wiki.test' => [ 'enwiki', 'en' ], 'fr.wiki.test' => [ 'frwiki', 'fr' ] ];
$host = getenv( 'MILLRACE_WIKI' ) ?: strtolower( preg_replace( '/:\d+$/', '', $_SERVER['HTTP_HOST'] ?? '' ) );
[ $wgDBname, $wgLanguageCode ] = $wikis[$host] ?? $wikis['en.wiki.test'];

$wgSitename = "Test $wgDBname";
$wgServer = 'http://' . ( $_SERVER['HTTP_HOST'] ?? 'en.wiki.test' );
$wgScriptPath = '';
$wgSecretKey = str_repeat( '0123456789abcdef', 4 );

$wgDBtype = 'sqlite';
$wgDBserver = '';
$wgSQLiteDataDir = __DIR__ . '/db';
$store = [
	'type' => 'sqlite', 'tablePrefix' => '', 'variables' => [ 'synchronous' => 'OFF' ],
	'dbDirectory' => $wgSQLiteDataDir, 'trxMode' => 'IMMEDIATE', 'flags' => 0,
];
$wgObjectCaches[CACHE_DB] = [
	'class' => SqlBagOStuff::class, 'loggroup' => 'SQLBagOStuff', 'server' => [ 'dbname' => 'wikicache' ] + $store,
];
$wgLocalisationCacheConf['storeServer'] = [ 'dbname' => "{$wgDBname}_l10n_cache" ] + $store;
$wgJobTypeConf['default'] = [
	'class' => 'JobQueueDB', 'claimTTL' => 3600, 'server' => [ 'dbname' => "{$wgDBname}_jobqueue" ] + $store,
];
// Scripts and server are separate processes: a cache in memory would let one see what the other has changed too late.
$wgMainCacheType = CACHE_NONE;
$wgSessionCacheType = CACHE_DB;
$wgJobRunRate = 0;
$wgUploadDirectory = __DIR__ . '/images';
$wgEnableUploads = false;
$wgPingback = false;

$wgRateLimits = [];
$wgPasswordAttemptThrottle = [];
foreach ( [ 'bot', 'sysop' ] as $group ) {
	foreach ( [ 'deleterevision', 'deletedhistory', 'deletedtext' ] as $right ) {
		$wgGroupPermissions[$group][$right] = true;
	}
}

// In kilobytes: pages of 10 MB and more exist in the tests.
$wgMaxArticleSize = 32 * 1024;
$wgMemoryLimit = '1024M';
// One wiki keeps MediaWiki's own limit of an answer, so that both sides of it can be tried.
if ( $wgDBname === 'frwiki' ) {
	$wgAPIMaxResultSize = 64 * 1024 * 1024;
}

// What a replicated database would say, said by files.
$wgReadOnlyFile = __DIR__ . '/readonly';
$wgHooks['ApiMaxLagInfo'][] = static function ( array &$info ) {
	$file = __DIR__ . '/lag';
	if ( is_file( $file ) ) {
		$info = [ 'host' => 'db-test', 'lag' => (float)file_get_contents( $file ), 'type' => 'db' ];
	}
};
